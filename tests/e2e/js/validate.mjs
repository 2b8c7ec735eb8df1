// Validate CycloneDX documents given as `version=path`; print one JSON line each: {"path": ..., "errors": null | [...]}.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

// The packages live in a cache folder outside the repository, named by AIBOM_JS.
const require = createRequire(path.resolve(process.env.AIBOM_JS, 'package.json'))
const { Validation } = require('@cyclonedx/cyclonedx-library')

for (const argument of process.argv.slice(2)) {
  const at = argument.indexOf('=')
  const file = argument.slice(at + 1)
  const validator = new Validation.JsonStrictValidator(argument.slice(0, at))
  const errors = await validator.validate(readFileSync(file, 'utf8'))
  console.log(JSON.stringify({ path: file, errors }))
}
