import { join } from 'node:path'
import type { PlacedNode } from '../contract.ts'

const maxFileBytes = 8 * 1024 * 1024
const olderFiles = 3

export const serverLogPath = (node: PlacedNode): string => join(node.home, 'logs', 'server.log')
export const consolePath = (node: PlacedNode): string => join(node.home, 'logs', 'console.log')

/** Lines begin with their time, ISO 8601 in UTC: what ships this log reads the event time there. */
export function log4j2Properties(node: PlacedNode): string {
  const file = serverLogPath(node)
  return `status=error
rootLogger.level=info
rootLogger.appenderRef.file.ref=file
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName=${file}
appender.file.filePattern=${file}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} %p %m (%c{1})%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=${maxFileBytes}
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.fileIndex=min
appender.file.strategy.max=${olderFiles}
`
}

/** The same for Kafka before 4.0, which logs through log4j 1 (KIP-653). */
export function log4j1Properties(node: PlacedNode): string {
  return `log4j.rootLogger=INFO,file
log4j.appender.file=org.apache.log4j.RollingFileAppender
log4j.appender.file.File=${serverLogPath(node)}
log4j.appender.file.MaxFileSize=${maxFileBytes}
log4j.appender.file.MaxBackupIndex=${olderFiles}
log4j.appender.file.layout=org.apache.log4j.EnhancedPatternLayout
log4j.appender.file.layout.ConversionPattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} %p %m (%c{1})%n
`
}
