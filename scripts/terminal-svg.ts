/** Width of a character and height of a line, in px. */
const [CHARACTER, LINE, PADDING] = [7.8, 18, 16]
const FONT = 'ui-monospace, SFMono-Regular, Menlo, Consolas, monospace'

/** The classes of the ANSI codes (SGR) that Curfew prints. */
const CLASSES: Record<string, string> = {
  1: 'bold',
  31: 'red',
  32: 'green',
  33: 'yellow',
  90: 'gray',
}

/** For light and dark pages: an image follows the color scheme of the reader. */
const STYLE = `text{font:13px ${FONT};fill:#1f2328;white-space:pre}rect{fill:#f6f8fa;stroke:#d1d9e0}
.bold{font-weight:700}.red{fill:#cf222e}.green{fill:#1a7f37}.yellow{fill:#9a6700}.gray{fill:#59636e}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#161b22;stroke:#30363d}
.red{fill:#ff7b72}.green{fill:#3fb950}.yellow{fill:#d29922}.gray{fill:#9198a1}}`

/** The output of commands in a terminal, with ANSI colors, as an SVG. */
export function terminalSvg(output: string, title: string): string {
  const lines = output.trimEnd().split('\n')
  const columns = Math.max(...lines.map((line) => plain(line).length))
  const width = Math.ceil(columns * CHARACTER + 2 * PADDING)
  const height = lines.length * LINE + 2 * PADDING
  const texts = lines.map((line, index) => {
    const y = PADDING + index * LINE + 13
    return `<text x="${PADDING}" y="${y}" xml:space="preserve">${spans(line)}</text>`
  })
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`
  const frame = `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img"><title>${escaped(title)}</title><style>${STYLE}</style>
${frame}
${texts.join('\n')}
</svg>
`
}

/** The lines of such an image, without colors. */
export function linesOfSvg(svg: string): string {
  const texts = [...svg.matchAll(/^<text [^>]*>(.*)<\/text>$/gm)].map(([, text = '']) => text)
  return `${texts.map((text) => unescaped(text.replaceAll(/<[^>]+>/g, ''))).join('\n')}\n`
}

// Select Graphic Rendition (ECMA-48).
// biome-ignore lint/suspicious/noControlCharactersInRegex: what it begins with
const SGR = /\u001b\[([\d;]*)m/

function plain(line: string): string {
  return line.replaceAll(new RegExp(SGR, 'g'), '')
}

function spans(line: string): string {
  const [first = '', ...parts] = line.split(SGR)
  let html = escaped(first)
  for (let index = 0; index < parts.length; index += 2) {
    const style = CLASSES[parts[index] ?? '']
    const text = escaped(parts[index + 1] ?? '')
    html += style && text !== '' ? `<tspan class="${style}">${text}</tspan>` : text
  }
  return html
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

function escaped(text: string): string {
  return text.replaceAll(/[&<>]/g, (character) => ENTITIES[character] ?? character)
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}
