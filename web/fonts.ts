// The two fonts with the letters and weights that the page uses: less than half of what they come with.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import subset from 'subset-font'

const FONTS = ['hanken-grotesk', 'geist-mono']
const LATIN = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('')
const MARKS = 'äöüßÄÖÜéèàç·–—…‘’“”×→←↑↓±≤≥°µ▸◂⇧⌘'

/** Writes the fonts and says in which folder they are. */
export async function fonts(): Promise<string> {
  const folder = fileURLToPath(new URL('./node_modules/.fonts', import.meta.url))
  mkdirSync(folder, { recursive: true })
  for (const name of FONTS) {
    const whole = new URL(`./node_modules/@fontsource-variable/${name}/files/${name}-latin-wght-normal.woff2`, import.meta.url)
    const small = await subset(readFileSync(whole), LATIN + MARKS, { targetFormat: 'woff2', variationAxes: { wght: { min: 400, max: 700 } } })
    writeFileSync(`${folder}/${name}.woff2`, small)
  }
  return folder
}
