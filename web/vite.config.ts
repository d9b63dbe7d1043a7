import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'
import { fonts } from './fonts'

export default defineConfig({
  plugins: [svelte()],
  base: '/',
  resolve: { alias: { '@fonts': await fonts() } },
  build: {
    outDir: '../nexus/http/dashboard',
    emptyOutDir: true,
    target: 'es2022',
    // A page that is served with a strict policy can't hold its assets in data: URLs.
    assetsInlineLimit: 0,
  },
  worker: { format: 'es' },
})
