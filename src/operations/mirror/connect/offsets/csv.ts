/** Lines of comma-separated values (RFC 4180), one record a line. */

export const csvLine = (fields: readonly (string | number)[]): string =>
  fields
    .map(field => (/[",\r\n]/.test(String(field)) ? `"${String(field).replaceAll('"', '""')}"` : field))
    .join(',')

/** Undefined: quotes do not close. */
export function csvFields(line: string): readonly string[] | undefined {
  const fields: string[] = []
  let at = 0
  while (at <= line.length) {
    if (line[at] !== '"') {
      const end = line.indexOf(',', at)
      fields.push(line.slice(at, end === -1 ? undefined : end))
      if (end === -1) return fields
      at = end + 1
      continue
    }
    const quoted = /^"((?:[^"]|"")*)"(,|$)/.exec(line.slice(at))
    if (quoted === null) return undefined
    fields.push(quoted[1]!.replaceAll('""', '"'))
    if (quoted[2] === '') return fields
    at += quoted[0].length
  }
  return fields
}
