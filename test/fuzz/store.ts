import { DatabaseSync } from 'node:sqlite'

/** Places in a closed database, as `table.column`, that contain this text, and the number of rows of each table. */
export function searchDatabase(
  file: string,
  text: string,
): { found: string[]; rows: Record<string, number> } {
  const database = new DatabaseSync(file, { readOnly: true })
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  const found: string[] = []
  const rows: Record<string, number> = {}
  for (const { name: table } of tables) {
    rows[String(table)] = Number(database.prepare(`SELECT count(*) AS rows FROM "${table}"`).get()?.rows)
    for (const { name: column } of database.prepare(`PRAGMA table_info("${table}")`).all()) {
      const query = `SELECT count(*) AS rows FROM "${table}" WHERE CAST("${column}" AS TEXT) LIKE '%' || ? || '%'`
      if (Number(database.prepare(query).get(text)?.rows) > 0) found.push(`${table}.${column}`)
    }
  }
  database.close()
  return { found, rows }
}
