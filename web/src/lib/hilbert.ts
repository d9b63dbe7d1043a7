// 256 × 256 places in Hilbert order: ports that are near in number are near on the map, so that a range is a territory.
const ORDER = 256

/** The place of a port: d2xy of the Hilbert curve (Wikipedia, "Hilbert curve"). */
export function place(port: number): { x: number; y: number } {
  let x = 0, y = 0, rest = port
  for (let size = 1; size < ORDER; size *= 2) {
    const rx = 1 & (rest >> 1), ry = 1 & (rest ^ rx)
    if (!ry) {
      if (rx) {
        x = size - 1 - x
        y = size - 1 - y
      }
      ;[x, y] = [y, x]
    }
    x += size * rx
    y += size * ry
    rest >>= 2
  }
  return { x, y }
}

/** The port at a place: xy2d. */
export function portAt(px: number, py: number): number {
  let x = px, y = py, port = 0
  for (let size = ORDER / 2; size > 0; size /= 2) {
    const rx = x & size ? 1 : 0, ry = y & size ? 1 : 0
    port += size * size * ((3 * rx) ^ ry)
    if (!ry) {
      if (rx) {
        x = size - 1 - (x & (size - 1))
        y = size - 1 - (y & (size - 1))
      }
      ;[x, y] = [y, x]
    }
    x &= size - 1
    y &= size - 1
  }
  return port
}
