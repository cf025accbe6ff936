import { errorKind } from '../errors/errors.ts'

export const KAFKA_VERSION_UNKNOWN = errorKind(
  'KAFKA_VERSION_UNKNOWN',
  'The Kafka version asked for is not one Ajna knows how to fetch.',
  'Use one of the versions named in src/foundation/kafka-dist/versions.json.',
)
export const JAVA_MISSING = errorKind(
  'JAVA_MISSING',
  'No Java runtime was found, and Kafka needs one.',
  'Install one (Debian: sudo apt-get install -y openjdk-17-jre-headless), or set JAVA_HOME.',
)
export const JAVA_TOO_OLD = errorKind(
  'JAVA_TOO_OLD',
  'The Java runtime found is older than this Kafka version needs.',
  'Install a newer one (Debian: sudo apt-get install -y openjdk-17-jre-headless), or set JAVA_HOME to it.',
)
export const MAVEN_MISSING = errorKind(
  'MAVEN_MISSING',
  "Kafka's jars are fetched with Maven, which was not found.",
  'Install it (Debian: sudo apt-get install -y maven) and run the same command again.',
)
export const KAFKA_FETCH_OFFLINE = errorKind(
  'KAFKA_FETCH_OFFLINE',
  "Kafka's jars are not in the cache and the Maven repository cannot be reached.",
  'Connect to the network (behind a proxy or mirror: name it in ~/.m2/settings.xml) and run the same command again; or copy the cache directory of a machine that has it and name it in AJNA_CACHE.',
)
export const KAFKA_FETCH_FAILED = errorKind(
  'KAFKA_FETCH_FAILED',
  "Maven could not fetch Kafka's jars.",
  'Read what Maven said in the message; run the same command again once that is put right.',
)
export const KAFKA_PREPARE_FAILED = errorKind(
  'KAFKA_PREPARE_FAILED',
  'The Kafka that was fetched could not be run once to prepare it.',
  'Read what Kafka said in the message. If the cache may be damaged, delete the directory it names and run the same command again.',
)
