import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findReason, mindingTheDisk, portInUse } from './diagnose.ts'

const since = '2026-11-23T06:00:00.000Z'
const at = '2026-11-23T06:00:01.000Z'

const cases: readonly [
  promise: string,
  log: string,
  console: readonly string[],
  said: string,
  remedied: boolean,
][] = [
  [
    'a port in use: the message that names the port, not the innermost one',
    `${at} ERROR [BrokerServer id=1] Fatal error during broker startup. Prepare to shutdown (BrokerServer)
java.lang.RuntimeException: Received a fatal error while waiting for all of the SocketServer Acceptors to be started
\tat org.apache.kafka.server.util.FutureUtils.waitWithLogging(FutureUtils.java:76)
Caused by: java.lang.RuntimeException: Unable to start acceptor for CLIENT
\t... 6 more
Caused by: org.apache.kafka.common.KafkaException: Socket server failed to bind to 127.0.0.1:9092: Address already in use.
\t... 16 more
Caused by: java.net.BindException: Address already in use
\t... 18 more
${at} INFO [BrokerServer id=1] shutting down (BrokerServer)
`,
    [],
    'KafkaException: Socket server failed to bind to 127.0.0.1:9092: Address already in use.',
    true,
  ],
  [
    'a bad setting',
    `${at} ERROR Exiting Kafka due to fatal exception (Kafka$)
org.apache.kafka.common.config.ConfigException: Invalid value zero for configuration num.io.threads: Not a number of type INT
\tat org.apache.kafka.common.config.ConfigDef.parseType(ConfigDef.java:751)
`,
    [],
    'ConfigException: Invalid value zero for configuration num.io.threads: Not a number of type INT',
    true,
  ],
  [
    'killed from outside, long after an error that it survived',
    `${at} ERROR Could not reach the quorum (NodeToControllerRequestThread)
java.io.IOException: Connection to 1 was disconnected before the response was read
2026-11-23T06:01:01.500Z INFO [Broker id=1] Leader logs.edge-3 (state.change.logger)
`,
    [],
    'it left no word (killed from outside, or by the kernel for want of memory)',
    false,
  ],
  [
    'a full disk, told by an entry before the last',
    `${at} ERROR Error while writing to checkpoint file /data/x (LogDirFailureChannel)
java.io.IOException: No space left on device
\tat java.base/sun.nio.ch.FileDispatcherImpl.write0(Native Method)
${at} ERROR Shutdown broker because all log dirs in /data have failed (LogManager)
`,
    [],
    'IOException: No space left on device',
    true,
  ],
  [
    'a damaged file: which one',
    `${at} ERROR Encountered fatal fault: caught exception (ProcessTerminatingFaultHandler)
java.io.UncheckedIOException: Error while reading the Quorum status from the file /data/quorum-state
\tat org.apache.kafka.raft.FileQuorumStateStore.readStateFromFile(FileQuorumStateStore.java:124)
Caused by: com.fasterxml.jackson.core.io.JsonEOFException: Unexpected end-of-input within/between Object entries
\t... 12 more
`,
    [],
    'Error while reading the Quorum status from the file /data/quorum-state: JsonEOFException: Unexpected end-of-input within/between Object entries',
    true,
  ],
  [
    'no exception at all: the last error entry',
    `${at} ERROR Shutdown broker because all log dirs in /data have failed (LogManager)\n`,
    [],
    'Shutdown broker because all log dirs in /data have failed',
    false,
  ],
  [
    'an exception without a message',
    `${at} ERROR Encountered fatal fault: caught exception (ProcessTerminatingFaultHandler)\njava.lang.NullPointerException\n\tat a.B.c(B.java:1)\n`,
    [],
    'NullPointerException',
    false,
  ],
  [
    "never an earlier life's error",
    `2026-11-23T05:59:59.999Z ERROR old (Old)\norg.apache.kafka.common.KafkaException: of yesterday\n${at} INFO started (New)\n`,
    ['the last word'],
    'the last word',
    false,
  ],
  [
    'out of memory, which only the console is told',
    `${at} ERROR Uncaught exception (KafkaThread)\njava.lang.IllegalStateException: consequence\n`,
    ['Terminating due to java.lang.OutOfMemoryError: Java heap space'],
    'Terminating due to java.lang.OutOfMemoryError: Java heap space',
    true,
  ],
  [
    'what the JVM said before Kafka ran',
    '',
    ['Error: Could not find or load main class kafka.Kafka'],
    'Error: Could not find or load main class kafka.Kafka',
    false,
  ],
  [
    'nothing at all',
    '',
    [],
    'it left no word (killed from outside, or by the kernel for want of memory)',
    false,
  ],
]

for (const [promise, log, console, said, remedied] of cases)
  test(`finds ${promise}`, () => {
    const reason = findReason(log, console, since)
    assert.equal(reason.said, said)
    assert.equal(reason.remedy !== undefined, remedied)
  })

test('knows which port is in use', () => {
  assert.equal(portInUse('Socket server failed to bind to 127.0.0.1:9092: Address already in use.', 7), 9092)
  assert.equal(portInUse('BindException: Address already in use', 7), 7)
  assert.equal(portInUse('No space left on device', 7), undefined)
})

test('where a full disk took its last words too, that is what is said', () => {
  const cut = { said: 'AppenderLoggingException: Error writing to stream /x/server.log', remedy: undefined }
  const said = mindingTheDisk(cut, 0)
  assert.match(said.said, /^No space left on device.*AppenderLoggingException/)
  assert.match(said.remedy ?? '', /Free space/)
  for (const free of [undefined, 10 * 1024 * 1024]) assert.equal(mindingTheDisk(cut, free), cut)
  const own = { said: 'IOException: No space left on device', remedy: 'Free space' }
  assert.equal(mindingTheDisk(own, 0), own)
})
