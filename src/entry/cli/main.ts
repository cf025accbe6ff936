import { Command, CommanderError, Option } from 'commander'
import { readVersion } from '../version.ts'
import { reportError, say } from './output.ts'

/**
 * The command line. Each group of commands is loaded when it is used, so that `ajna --version` costs nothing.
 * Exit codes: 0 done, 1 failed, 2 bad usage or invalid input, 3 refused as unsafe, 4 partly done.
 */

const USAGE_EXIT = 2
/** A run of one kind of failure takes some twenty seconds, and there are some twenty kinds. */
const MAX_RUNS = 50
const MAX_MINUTES = 24 * 60

function program(): Command {
  const ajna = new Command('ajna')
    .description('Declares, runs, connects, watches and proves a fleet of Apache Kafka clusters')
    .version(readVersion())
    .showHelpAfterError('(ajna --help lists the commands)')
    .exitOverride()

  ajna
    .command('up')
    .description('start the fleet on this machine: brokers, agent, link, archive, control, console')
    .option('-f, --file <file>', 'the fleet’s declaration (default: ajna.yaml, else the two-site example)')
    .option('--detach', 'return when it is up; `ajna down` stops it')
    .action(async options => (await import('./commands/up.ts')).up(options))
  ajna
    .command('status')
    .description('processes, memory and clusters of the fleet on this machine')
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/up.ts')).status(options))
  ajna
    .command('down')
    .description('stop the fleet on this machine, in order')
    .action(async () => (await import('./commands/up.ts')).down())
  ajna
    .command('reset')
    .description('delete the fleet’s state on this machine: topics, archive, certificates')
    .option('--yes', 'do not ask')
    .action(async options => (await import('./commands/up.ts')).reset(options))

  for (const verb of ['plan', 'apply'] as const) {
    const command = ajna
      .command(verb)
      .description(
        verb === 'plan'
          ? 'what a declaration would change, drift included'
          : 'make the fleet what a declaration says',
      )
      .requiredOption('-f, --file <file>', 'the fleet’s declaration')
      .option('--allow-delete', 'deletions are part of it')
      .option('--json', 'one JSON document')
    command.action(async options => (await import('./commands/fleet.ts'))[verb](options))
  }

  const nouns = ['cluster', 'topic', 'tenant', 'link', 'agent'] as const
  for (const noun of nouns) {
    const group = ajna.command(noun).description(`list and show ${noun}s`)
    group
      .command('list')
      .option('--json', 'one JSON document')
      .option('--search <text>', 'part of the name')
      .action(async options => (await import('./commands/show.ts')).list(noun, options))
    if (noun !== 'link') {
      group
        .command('show <name>')
        .option('--json', 'one JSON document')
        .action(async (name, options) => (await import('./commands/show.ts')).show(noun, name, options))
      continue
    }
    showLinkCommand(group)
    positionCommands(group)
    actCommands(group)
    linkCommands(group)
  }

  const logs = ajna.command('logs').description('search and follow what is shipped')
  logs
    .command('query <sql>')
    .description('SQL over the table logs: archive and what is not archived yet')
    .option('--limit <rows>', 'at most so many rows', wholeNumber, 1_000)
    .option('--json', 'one JSON document')
    .action(async (sql, options) => (await import('./commands/logs.ts')).query(sql, options))
  logs
    .command('tail')
    .description('lines as they arrive')
    .option('--site <site>')
    .option('--host <host>')
    .option('--file <part>', 'part of the path')
    .option('--grep <text>', 'part of the line, letter case ignored')
    .option('--lines <count>', 'end after so many lines', wholeNumber)
    .option('--json', 'one JSON document a line')
    .action(async options => (await import('./commands/logs.ts')).tail(options))

  ajna
    .command('completeness')
    .description('is every byte of every file at every tier, once? by 10 minutes of event time')
    .option('--hours <hours>', 'how far back', wholeNumber, 2)
    .option('--bucket <time>', 'the streams of one bucket (ISO time of its start)')
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/completeness.ts')).completeness(options))
  ajna
    .command('activity')
    .description('every change: who, what, why, with what outcome')
    .option('--limit <entries>', 'at most so many', wholeNumber, 30)
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/activity.ts')).activity(options))

  const incidents = ajna.command('incident').description('failures, and what was done about them')
  incidents
    .command('list')
    .option('--limit <incidents>', 'at most so many', wholeNumber, 30)
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/incident.ts')).list(options))
  incidents
    .command('show <id>')
    .option('--json', 'one JSON document')
    .action(async (id, options) => (await import('./commands/incident.ts')).show(id, options))
  for (const [what, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const)
    incidents
      .command(`${what}-healing`)
      .description(
        paused ? 'nothing is acted on by itself, in any cluster, until resumed' : 'act on failures again',
      )
      .requiredOption('--reason <text>', 'why, for the activity log')
      .action(async options => (await import('./commands/incident.ts')).setHealing(paused, options))

  for (const [verdict, what] of [
    ['approve', 'carry out what is proposed; what would be lost by it is said'],
    ['decline', 'leave it as it is; it may still be approved'],
  ] as const)
    incidents
      .command(`${verdict} <id>`)
      .description(what)
      .requiredOption('--reason <text>', 'why, for the incident and the activity log')
      .option('--proposal <number>', 'only if it still is this one of its proposals', wholeNumber)
      .action(async (id, options) => (await import('./commands/incident.ts')).answer(id, verdict, options))
  const webhooks = incidents
    .command('webhooks')
    .description('who is told of incidents, and how that goes')
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/webhooks.ts')).list(options))
  webhooks
    .command('test [name]')
    .description('send a test event to one, or to all; it enables again what its receiver had ended (410)')
    .action(async (name, _options, command) =>
      (await import('./commands/webhooks.ts')).test(name, command.optsWithGlobals()),
    )

  const certs = ajna.command('certs').description('certificates of the fleet’s principals')
  certs
    .command('list')
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/certs.ts')).list(options))
  certs
    .command('renew [principal]')
    .description('issue anew: those about to expire, one principal’s, or all')
    .option('--all', 'every one')
    .action(async (principal, options) =>
      (await import('./commands/certs.ts')).renewCertificates(principal, options),
    )

  testCommands(
    ajna.command('test').description('faults under load, what clients saw of them, and their traces'),
  )

  ajna
    .command('role <name>', { hidden: true })
    .requiredOption('--home <directory>')
    .option('--number <number>', 'which of the processes of this role', wholeNumber)
    .option('--digest <digest>')
    .action(async (name, options) =>
      (await import('../roles/run.ts')).runRole(name, options.home, options.number),
    )
  return ajna
}

const healerOption = (): Option =>
  new Option('--healer <healer>', 'on: agents and the healer at work, as in a fleet; off: Kafka alone')
    .choices(['on', 'off'])
    .default('on')

/** Tests on a cluster that is made for them, and gone afterwards. */
function testCommands(group: Command): void {
  group
    .command('run <file>')
    .description('run a scenario: start a cluster, write, break it, judge every record')
    .addOption(healerOption())
    .option('--report <file>', 'write a page (HTML) with the timeline')
    .option('--reason <text>', 'why, kept with its record')
    .option('--by <name>', 'who starts it (default: the user)')
    .addOption(new Option('--record <id>', 'of its record').hideHelp())
    .option('--json', 'one JSON document')
    .action(async (file, options) => (await import('./commands/test.ts')).run(file, options))
  group
    .command('failures')
    .description(
      'measure each kind of failure on a cluster: availability, redundancy, records lost and repeated',
    )
    .option('--runs <runs>', `of each kind, at most ${MAX_RUNS}`, upTo(MAX_RUNS), 1)
    .option('--kinds <kinds>', 'only these, separated by commas (an unknown one lists them)')
    .option('--seed <seed>', 'decides what is left open', wholeNumber)
    .addOption(healerOption())
    .option('--compare <file>', 'an earlier --json: the same kinds side by side, and what has become worse')
    .option('--report <file>', 'write a page (HTML) with figures and timelines')
    .option('--reason <text>', 'why, kept with its record')
    .option('--by <name>', 'who starts it (default: the user)')
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/test.ts')).failures(options))
  group
    .command('explore')
    .description('random faults under load, round by round; what fails is made as short as it can be')
    .option('--minutes <minutes>', `no round begins later, at most ${MAX_MINUTES}`, upTo(MAX_MINUTES), 10)
    .option('--seed <seed>', 'decides everything', wholeNumber)
    .option('--kinds <kinds>', 'only faults of these kinds, separated by commas (an unknown one lists them)')
    .addOption(healerOption())
    .option('--reason <text>', 'why, kept with its record')
    .option('--by <name>', 'who starts it (default: the user)')
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/test-explore.ts')).explore(options))
  group
    .command('list')
    .description('tests that have run here, newest first, and the one that runs')
    .option('--limit <tests>', 'at most so many', wholeNumber, 30)
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/test-records.ts')).list(options))
  group
    .command('show <id>')
    .description('a test: how it stands, or how it ended')
    .option('--json', 'one JSON document')
    .action(async (id, options) => (await import('./commands/test-records.ts')).show(id, options))
  group
    .command('simulate')
    .description('the rules that heal, over a simulated fleet for simulated weeks: every promise is checked')
    .option('--clusters <clusters>', 'how many', wholeNumber, 100)
    .option('--brokers <brokers>', 'of all clusters together', wholeNumber, 2_500)
    .option('--partitions <partitions>', 'of all clusters together', wholeNumber, 300_000)
    .option('--failures <failures>', 'of all kinds together', wholeNumber, 5_000)
    .option('--days <days>', 'simulated', wholeNumber, 21)
    .option('--healers <healers>', 'control processes that heal side by side', wholeNumber, 3)
    .option('--seed <seed>', 'decides everything', wholeNumber)
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/simulate.ts')).runSimulation(options))
  group
    .command('faults')
    .description('the faults that are under way, and how they are undone')
    .option('--revert', 'undo all of them now')
    .option('--json', 'one JSON document')
    .action(async options => (await import('./commands/test.ts')).faults(options))
  trogdorCommands(
    group.command('trogdor').description('Trogdor’s task specifications (Kafka’s own test framework)'),
  )
}

/** A broker takes some 400 MB here. */
const MAX_NODES = 5

function trogdorCommands(group: Command): void {
  const nodes = `start a cluster of so many brokers for faults, at most ${MAX_NODES}; it goes with the command`
  group
    .command('serve')
    .description('Trogdor’s coordinator: its REST API, on this machine')
    .option('--port <port>', '0: any that is free', portNumber, 8_889)
    .option('--nodes <brokers>', nodes, upTo(MAX_NODES))
    .action(async options => (await import('./commands/trogdor.ts')).serve(options))
  group
    .command('run <specs...>')
    .description('run specifications, all at once, against the clusters they name, and print their statuses')
    .option('--nodes <brokers>', nodes, upTo(MAX_NODES))
    .option('--json', 'one JSON document')
    .action(async (files, options) => (await import('./commands/trogdor.ts')).run(files, options))
}

function showLinkCommand(group: Command): void {
  group
    .command('show <name>')
    .description('a link as a whole, and its partitions, the worst first')
    .option('--state <state>', 'those in this state alone, or `unhealthy` ones', 'all')
    .option('--verdict <verdict>', 'those that do so alone: ok, warning, stalled, stopped, rewound', 'all')
    .option('--topic <text>', 'part of the topic’s name', '')
    .option('--sort <key>', 'by topic, state, since, verdict, lag, lag-time or missing offsets', 'urgency')
    .option('--desc', 'the other way round')
    .option('--limit <partitions>', 'list at most so many', wholeNumber, 50)
    .option('--all', 'list all of them')
    .option('--json', 'one JSON document')
    .action(async (name, options) => (await import('./commands/link-show.ts')).showLink(name, options))
}

/** Where a link stands, out and in, and going on where another replicator stopped. */
function positionCommands(link: Command): void {
  const offsets = link.command('offsets').description('where a link stands, as a file')
  offsets
    .command('export <name>')
    .description('print the positions of a link’s partitions')
    .option(
      '--format <format>',
      'csv, json, mirus (its offset tool’s columns) or mm2 (Connect’s offsets)',
      'csv',
    )
    .option('--connector <name>', 'mirus: the connector’s name (default: the link’s)')
    .option('--alias <alias>', 'mm2: the alias of the source cluster')
    .action(async (name, options) => (await import('./commands/positions.ts')).exportPositions(name, options))
  offsets
    .command('import <name> <file>')
    .description('have a stopped link go on where a file says (-: standard input)')
    .option('--format <format>', 'csv, json, mirus or mm2', 'csv')
    .option('--connector <name>', 'mirus: rows of this connector (default: the link’s name)')
    .option('--alias <alias>', 'mm2: rows of this source cluster')
    .option('--dry-run', 'only show what would be set')
    .action(async (name, file, options) =>
      (await import('./commands/positions.ts')).importPositions(name, file, options),
    )
  link
    .command('relieve <name>')
    .description('find, record by record, where a MirrorMaker 2 or a Mirus that has stopped got to')
    .requiredOption('--from <replicator>', 'mirrormaker or mirus')
    .option(
      '--offsets-topic <topic>',
      'its offsets at the target (default: mm2-offsets.<alias>.internal, mirus-offsets)',
    )
    .option(
      '--syncs-topic <topic>',
      'mirrormaker: offset-syncs at the source (default: mm2-offset-syncs.<alias>.internal)',
    )
    .option('--connector <name>', 'its name (default: MirrorSourceConnector; mirus: the link’s)')
    .option('--alias <alias>', 'mirrormaker: the alias of its source')
    .option('--set', 'have the stopped link go on there')
    .option('--json', 'one JSON document')
    .action(async (name, options) => (await import('./commands/positions.ts')).relieve(name, options))
}

const LINK_ACTS = [
  ['pause', 'pause', 'copy nothing more; positions stay, `resume` goes on where the copies end'],
  ['resume', 'resume', 'have a paused or stopped link run'],
  ['restart', 'restart-failed', 'look anew at halted and blocked partitions; nothing is skipped'],
] as const

/** What people tell any link, one of the fleet's file too; kept in the activity log. */
function actCommands(group: Command): void {
  for (const [name, act, description] of LINK_ACTS)
    group
      .command(`${name} <name>`)
      .description(description)
      .requiredOption('--reason <text>', 'why, for the activity log')
      .option('--json', 'one JSON document')
      .action(async (link, options) => (await import('./commands/link-acts.ts')).act(link, act, options))
}

function linkCommands(group: Command): void {
  group
    .command('verify <name>')
    .description('compare both ends of a link by digest, without decoding a record')
    .option('--topic <topic>', 'this topic alone')
    .option('--partition <number>', 'this partition alone', offsetNumber)
    .option('--from <offset>', 'from this offset on', offsetNumber)
    .option('--to <offset>', 'up to this offset, exclusive', offsetNumber)
    .option('--records', 'decode, and compare record by record')
    .option('--json', 'one JSON document')
    .action(async (name, options) => (await import('./commands/link.ts')).verify(name, options))
  group
    .command('keep <name>')
    .description('bring access rules, quotas and consumer groups at the target in step with the source, once')
    .option('--acls <principals...>', 'principals (User:…) whose rules on the copied topics follow; patterns')
    .option('--quotas <entities...>', 'user=… or client-id=… whose quotas follow; patterns')
    .option('--groups <groups...>', 'consumer groups whose positions follow; patterns')
    .option('--advance-foreign', 'also move positions forward that others put at the target')
    .option('--dry-run', 'show the difference, change nothing')
    .option('--json', 'one JSON document')
    .action(async (name, options) => (await import('./commands/link-sides.ts')).keep(name, options))
  sideOptions(
    group
      .command('rehearse <name> <action>')
      .description(
        'what promote, demote or failback would do: records lost, read again, skipped; what forbids it',
      ),
  )
    .option('--unplanned', 'a promotion without the source')
    .option('--stay', 'a failback that ends with the source as a copy in step')
    .action(async (name, action, options) =>
      (await import('./commands/link-sides.ts')).rehearse(name, action, options),
    )
  sideOptions(
    group.command('promote <name>').description('make the target the original: no loss, unless --unplanned'),
  )
    .option('--unplanned', 'without the source: what it had not sent is given up')
    .action(async (name, options) =>
      (await import('./commands/link-sides.ts')).carry(name, 'promote', options),
    )
  sideOptions(
    group
      .command('demote <name>')
      .description('make the source the original again; takes back a promotion under way'),
  ).action(async (name, options) => (await import('./commands/link-sides.ts')).carry(name, 'demote', options))
  sideOptions(
    group
      .command('failback <name>')
      .description('copy what the target took back to the source, then make that the original again'),
  )
    .option('--stay', 'end with the source as a copy in step; `demote` does the rest')
    .action(async (name, options) =>
      (await import('./commands/link-sides.ts')).carry(name, 'failback', options),
    )
}

/** What a switch of sides, and its rehearsal, may be told. */
const sideOptions = (command: Command): Command =>
  command
    .option(
      '--groups <groups...>',
      'consumer groups that move; patterns (default: those the link keeps in step, or all)',
    )
    .option(
      '--writers <principals...>',
      'principals (User:…) that may write at the target besides those of the source',
      [],
    )
    .option('--accept-loss', 'yes: records that were not copied are given up')
    .option('--allow-repeats', 'yes: groups that still read are moved as they stand')
    .option(
      '--recreate',
      'yes: topics of the source that went their own way are saved, deleted and copied anew',
    )
    .option('--reason <text>', 'why, for the activity log')
    .option('--unfenced', 'yes: nothing keeps a lost worker of the link from writing')
    .option('--writers-stopped', 'yes: somebody has stopped the producers, where no rule can')
    .option('--json', 'one JSON document')

const wholeNumber = (text: string): number => integer(text, 1, 'a whole number above 0')
const upTo =
  (most: number) =>
  (text: string): number => {
    const value = wholeNumber(text)
    if (value > most) throw new CommanderError(USAGE_EXIT, 'ajna.number', `"${text}" is more than ${most}`)
    return value
  }
const offsetNumber = (text: string): number => integer(text, 0, 'a whole number')
function portNumber(text: string): number {
  const value = integer(text, 0, 'a port')
  if (value > 65_535) throw new CommanderError(USAGE_EXIT, 'ajna.number', `"${text}" is not a port`)
  return value
}

function integer(text: string, least: number, allowed: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
    throw new CommanderError(USAGE_EXIT, 'ajna.number', `"${text}" is not ${allowed}`)
  return value
}

async function main(): Promise<void> {
  try {
    await program().parseAsync(process.argv)
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version are "errors" of exit code 0 here; usage errors have printed themselves, our own have not.
      if (error.code === 'ajna.number') say(`error: ${error.message}`)
      process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT
    } else process.exitCode = reportError(error)
  }
}

// A reader that has seen enough (`| head`) closes the pipe: that ends the program, and is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
// Nobody may be there to read messages any more (a closed terminal): what is being stopped is stopped all the same.
process.stderr.on('error', () => undefined)
await main()
