import { errorKind } from '../../foundation/errors/errors.ts'

export const FAULT_TARGET_NOT_RUNNING = errorKind(
  'FAULT_TARGET_NOT_RUNNING',
  'A fault was to be done to a process that does not run.',
  'An earlier fault may still hold it: look at `ajna test faults`, and let faults on one broker follow one another in time.',
)

export const FAULT_TARGET_NONE = errorKind(
  'FAULT_TARGET_NONE',
  'No broker is what a fault asks for (the controller, one that leads, one that only follows).',
  'Name a broker by its id, or let the scenario leave one that fits: `load.leaders` says which brokers lead.',
)

export const FAULT_LEASE_OVER = errorKind(
  'FAULT_LEASE_OVER',
  'A fault has ended, or has been taken back, before its next act.',
  'Nothing is to be done: what was broken has been undone. Give the fault more time if it should last longer.',
)

export const FAULT_UNWATCHED = errorKind(
  'FAULT_UNWATCHED',
  'The process that would undo a fault did not start, so the fault was not done.',
  'See watchdog.log beside the faults; the machine may lack memory or processes (ulimit -u).',
)

export const DISK_FAULTS_UNAVAILABLE = errorKind(
  'DISK_FAULTS_UNAVAILABLE',
  'No disk can be made to fail on this machine: the file system that does so cannot be built or mounted.',
  'Run as root where /dev/fuse is, with gcc and the FUSE library: apt-get install -y gcc libc6-dev libfuse3-dev (scripts/setup does).',
)

export const DISK_NOT_MOUNTED = errorKind(
  'DISK_NOT_MOUNTED',
  'A disk that is to fail on request is not there.',
  'The file that the message names has its last words; another fault (disk-gone) may have taken it away: look at `ajna test faults`.',
)

export const FAULT_DISK_NONE = errorKind(
  'FAULT_DISK_NONE',
  'A disk was to fail, and the broker keeps nothing on one that can.',
  'Only clusters that are made for a scenario with disk faults have such disks: run it by `ajna test`.',
)

export const FAULT_RECORD_INVALID = errorKind(
  'FAULT_RECORD_INVALID',
  'The file that says how a fault is undone is not what was written.',
  'Look at the file and at the process it names: a frozen one is woken by `kill -CONT <pid>`. Then remove the file.',
)

export const FAULT_NETWORK_UNAVAILABLE = errorKind(
  'FAULT_NETWORK_UNAVAILABLE',
  'Faults in the network cannot be done here.',
  'They need root, and iptables, iproute2 and util-linux (apt-get install iptables iproute2): the test runs in a network namespace of its own.',
)

export const TEST_TOPIC_FAILED = errorKind(
  'TEST_TOPIC_FAILED',
  'The topic that a test writes to could not be made, or is not whole.',
  'Every broker of the cluster must be up and in sync before a test; look at the reason given.',
)

export const TEST_LOG_UNREADABLE = errorKind(
  'TEST_LOG_UNREADABLE',
  'What a test wrote could not be read back, so nothing can be said about it.',
  'Look at the reason: a partition without a leader, a log that was cut, or a cluster that does not answer.',
)

export const TEST_RUNNING = errorKind(
  'TEST_RUNNING',
  'Another test runs in this state directory.',
  'Wait for it to end, or give each its own AJNA_HOME and AJNA_PORT_BASE.',
)

export const TEST_STOPPED = errorKind(
  'TEST_STOPPED',
  'A test was stopped before it was over.',
  'What it had broken is undone and its cluster is gone. Start it again to have a result.',
)

export const TEST_KIND_UNKNOWN = errorKind(
  'TEST_KIND_UNKNOWN',
  'There is no failure of that kind.',
  'Choose among those that the message lists, separated by commas.',
  2,
)

export const TEST_HEALER_NOT_READY = errorKind(
  'TEST_HEALER_NOT_READY',
  'What is to heal the cluster of a test did not come up.',
  'The machine may be too busy for one more broker; try again, or `--healer off`.',
)

export const TEST_REPORT_UNWRITABLE = errorKind(
  'TEST_REPORT_UNWRITABLE',
  'The page with the report of a test cannot be written.',
  'Name a file in a directory that is there and may be written to.',
  2,
)

export const TEST_UNKNOWN = errorKind(
  'TEST_UNKNOWN',
  'There is no test of this id, or it is older than those that are kept.',
  'List them: `ajna test list`.',
  2,
)

export const TEST_NOT_STARTED = errorKind(
  'TEST_NOT_STARTED',
  'A test was to run in a process of its own, which ended before it had begun.',
  'Its own words are in the message; `ajna test run` with the same scenario says the same.',
)

export const TEST_OVER = errorKind(
  'TEST_OVER',
  'A test that was to be stopped does not run any more.',
  'Nothing is to be done: what it had broken is undone.',
  3,
)

export const TEST_SCENARIO_UNKNOWN = errorKind(
  'TEST_SCENARIO_UNKNOWN',
  'There is no scenario of this name in the library.',
  'They are the files in config/scenarios; the console’s Tests page lists them.',
  2,
)

export const TEST_OPERATION_FAILED = errorKind(
  'TEST_OPERATION_FAILED',
  'A planned operation on the tested cluster was not done, or was taken back.',
  'The reason is in the message. A broker that did not come up has what it had before; the others were not touched.',
)

export const FAULT_CLOCK_UNAVAILABLE = errorKind(
  'FAULT_CLOCK_UNAVAILABLE',
  'The clock of a broker cannot be set wrong here.',
  'What is preloaded into its process is built from source: apt-get install gcc libc6-dev.',
)

export const FAULT_SEGMENT_NONE = errorKind(
  'FAULT_SEGMENT_NONE',
  'The topic has no closed segment on that broker whose bytes could be flipped.',
  'Let the load run for longer before the fault, or raise its rate.',
)
