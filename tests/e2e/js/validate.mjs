// Validate CycloneDX documents given as `version=path`; print one JSON line each: {"path": ..., "errors": null | [...]}.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

// The packages live in a cache folder outside the repository, named by AIBOM_JS.
const require = createRequire(path.resolve(process.env.AIBOM_JS, 'package.json'))
const { Validation } = require('@cyclonedx/cyclonedx-library')

const validators = new Map()

for (const argument of process.argv.slice(2)) {
  const at = argument.indexOf('=')
  const [version, file] = [argument.slice(0, at), argument.slice(at + 1)]
  if (!validators.has(version)) validators.set(version, new Validation.JsonStrictValidator(version))
  const validator = validators.get(version)
  const errors = await validator.validate(readFileSync(file, 'utf8'))
  console.log(JSON.stringify({ path: file, errors }))
}
