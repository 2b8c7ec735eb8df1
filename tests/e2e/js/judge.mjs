// Ask cdx-validate of cdxgen about CycloneDX documents; print one JSON line each: {"path": ..., "schema": bool, "deep": bool}.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

// The packages live in a cache folder outside the repository, named by AIBOM_JS.
const entry = path.resolve(process.env.AIBOM_JS, 'node_modules/@cyclonedx/cdxgen/lib/validator/index.js')
const { validateBomAdvanced } = await import(pathToFileURL(entry))

for (const file of process.argv.slice(2)) {
  const said = await validateBomAdvanced(JSON.parse(readFileSync(file, 'utf8')), { schema: true, deep: true, strict: true })
  console.log(JSON.stringify({ path: file, schema: said.schemaValid, deep: said.deepValid }))
}
