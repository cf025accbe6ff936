import { sessionOf } from '../../foundation/http/session.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import { createApi } from './api.ts'
import type { Platform } from './platform.ts'

interface OpenApi {
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> }
}

/** The OpenAPI document of the routes as they are registered; no platform is asked anything for it. */
export async function openApiDocument(version: string): Promise<object> {
  const platform = new Proxy({ version } as Platform, {
    get(target, property) {
      if (property === 'version') return target.version
      throw new Error(`the document’s platform was asked for ${String(property)}`)
    },
  })
  const { app } = createApi({ platform, session: sessionOf('document'), log: silentLogger })
  try {
    await app.ready()
    return withoutUnused(app.swagger() as OpenApi)
  } finally {
    await app.close()
  }
}

/** Every model is generated as input and as output; what no request takes and no answer gives is left out. */
function withoutUnused(document: OpenApi): object {
  const schemas = document.components?.schemas ?? {}
  const used = new Set<string>()
  const visit = (text: string): void => {
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name!)) continue
      used.add(name!)
      visit(JSON.stringify(schemas[name!]))
    }
  }
  visit(JSON.stringify({ ...document, components: {} }))
  const kept = Object.entries(schemas).filter(([name]) => used.has(name))
  return { ...document, components: { ...document.components, schemas: Object.fromEntries(kept) } }
}
