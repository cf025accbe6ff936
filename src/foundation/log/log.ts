import { type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino'
import { logFile } from './file.ts'

/** The one logger: JSON lines with ISO time (UTC), a component, and an error's whole chain. */
export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'child' | 'level'>

/** @param file path of the log file, bounded on disk (file.ts), or 2 for standard error */
export function createLogger(
  component: string,
  file: string | 2 = 2,
  level = process.env['AJNA_LOG_LEVEL'] ?? 'info',
): Logger {
  return pino(
    {
      base: { component, pid: process.pid },
      level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
    },
    file === 2 ? pino.destination({ dest: 2, sync: true }) : logFile(file),
  )
}

export const silentLogger: Logger = pino({ level: 'silent' })
