import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { RECORDINGS } from '../../scripts/recordings.ts'
import { linesOfSvg, terminalSvg } from '../../scripts/terminal-svg.ts'
import { read } from '../support/deployment.ts'
import { sameShape } from '../support/shown.ts'

t.test('the recorded sessions are what the commands print today: npm run recordings', async (t) => {
  const readme = read('README.md')
  await Promise.all(
    RECORDINGS.map(async ({ file, record }) => {
      t.match(stripVTControlCharacters(await record()), sameShape(linesOfSvg(read(file))), file)
      t.ok(readme.includes(`](${file})`), `the README shows ${file}`)
    }),
  )
})

t.test('an image shows the colors of a terminal, and the text as it is', async (t) => {
  const svg = terminalSvg('\u001b[32m✔\u001b[39m a < b & "c"\n\n  \u001b[1mtwo\u001b[22m\n', 'a title')
  t.match(svg, '<tspan class="green">✔</tspan> a &lt; b &amp; "c"</text>')
  t.match(svg, '>  <tspan class="bold">two</tspan></text>')
  t.match(svg, '<title>a title</title>')
  t.equal(linesOfSvg(svg), '✔ a < b & "c"\n\n  two\n')
})
