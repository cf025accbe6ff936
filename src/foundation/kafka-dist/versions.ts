import { createHash } from 'node:crypto'
import { AjnaError } from '../errors/errors.ts'
import { KAFKA_VERSION_UNKNOWN } from './errors.ts'
import catalogue from './versions.json' with { type: 'json' }

export interface KafkaRelease {
  readonly version: string
  /** Maven coordinates, group:artifact:version. */
  readonly artifacts: readonly string[]
  /** group:artifact kept off the class path. */
  readonly exclusions: readonly string[]
  readonly jmxExporter: string
  readonly plugin: string
  readonly minJava: number
  /** Whether it can run without ZooKeeper in production. */
  readonly kraft: boolean
  /** Changes with anything above, so a cache made from other coordinates is never mistaken for this one. */
  readonly fingerprint: string
}

export const kafkaVersions: readonly string[] = Object.keys(catalogue.kafka)
export const defaultKafkaVersion = '4.3.1'

/** @throws AjnaError KAFKA_VERSION_UNKNOWN */
export function kafkaRelease(version: string): KafkaRelease {
  if (!Object.hasOwn(catalogue.kafka, version))
    throw new AjnaError(
      KAFKA_VERSION_UNKNOWN,
      `Kafka ${version} is not known; known are ${kafkaVersions.join(', ')}`,
    )
  const entry = catalogue.kafka[version as keyof typeof catalogue.kafka]
  const release = {
    version,
    ...entry,
    jmxExporter: catalogue.jmxExporter,
    plugin: catalogue.mavenDependencyPlugin,
  }
  const fingerprint = createHash('sha256').update(JSON.stringify(release)).digest('hex').slice(0, 8)
  return { ...release, fingerprint }
}

/** A Maven project whose run-time dependencies are the release's jars. */
export function pomFor(release: KafkaRelease): string {
  const exclusions = release.exclusions.map(excluded => {
    const [group, artifact] = excluded.split(':')
    return `<exclusion><groupId>${group}</groupId><artifactId>${artifact}</artifactId></exclusion>`
  })
  const dependencies = [...release.artifacts, release.jmxExporter].map(coordinate => {
    const [group, artifact, version] = coordinate.split(':')
    return [
      '    <dependency>',
      `      <groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>`,
      ...(exclusions.length > 0 ? [`      <exclusions>${exclusions.join('')}</exclusions>`] : []),
      '    </dependency>',
    ].join('\n')
  })
  return `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ajna</groupId>
  <artifactId>kafka-${release.version}</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${dependencies.join('\n')}
  </dependencies>
</project>
`
}
