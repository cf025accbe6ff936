import type { Fleet, LinkRow } from '../api/client.ts'
import { count, plural } from '../format.ts'
import { A, at } from '../router.tsx'
import { layOut, type MapEdge, type MapLayout, type MapNode, ROW, TITLE } from './link-map-layout.ts'
import { linkNote, linkTone, worstTone } from './link-state.tsx'
import { Glyph, type Tone, toneOf } from './status.tsx'

/** Beyond so many clusters with links, sites stand for them. */
const CLUSTERS_SHOWN = 16

interface Place extends MapNode {
  readonly label: string
  readonly href: string | null
  readonly tone: Tone
  readonly note: string
}

interface Way extends MapEdge {
  readonly label: string
  readonly href: string
  readonly tone: Tone
  readonly note: string
  /** Read out after the label, and shown on hover. */
  readonly more: string
}

/** Sites and clusters from left to right as records flow; every link is named once, with its state. */
export function LinkMap({ fleet, links }: { readonly fleet: Fleet; readonly links: readonly LinkRow[] }) {
  const ends = new Set(links.flatMap(({ from, to }) => [from, to]))
  const bySite = ends.size > CLUSTERS_SHOWN
  const places = bySite ? sitesOf(fleet, links) : clustersOf(fleet, ends)
  const ways = bySite ? waysOfSites(fleet, links) : links.map(wayOf)
  const layout = layOut(places, ways)
  const unlinked = fleet.clusters.filter(({ name }) => !ends.has(name)).length
  const notes = [
    bySite ? 'By site: there are too many clusters for one picture.' : '',
    bySite && unlinked > 0 ? `${plural(unlinked, 'cluster')} without links not drawn.` : '',
  ].filter(note => note !== '')
  return (
    <figure className="map">
      <Drawing layout={layout} places={places} ways={ways} />
      {notes.length > 0 && <figcaption className="quiet">{notes.join(' ')}</figcaption>}
    </figure>
  )
}

/* ---- what is drawn ---- */

const OUTSIDE = 'outside the fleet'

function clustersOf(fleet: Fleet, ends: ReadonlySet<string>): Place[] {
  const declared = fleet.clusters.map(({ name, site, state, reason }): Place => {
    const note = reason === '' ? state : `${state}: ${reason}`
    return { id: name, group: site, label: name, href: at('clusters', name), tone: toneOf(state), note }
  })
  const known = new Set(fleet.clusters.map(({ name }) => name))
  const foreign = [...ends].filter(name => !known.has(name))
  return [
    // Sites whose clusters have links come first: those that have none stand below.
    ...declared.toSorted((a, b) => Number(ends.has(b.id)) - Number(ends.has(a.id))),
    ...foreign.map((id): Place => {
      return { id, group: OUTSIDE, label: id, href: null, tone: 'off', note: 'not a cluster of this fleet' }
    }),
  ]
}

function wayOf(link: LinkRow): Way {
  const { name, from, to, state, reason } = link
  const note = linkNote(link)
  const why = reason === '' ? '' : `: ${reason}`
  const more = `from ${from} to ${to}, ${state}${why}`
  return { id: name, from, to, label: name, href: at('links', name), tone: linkTone(link), note, more }
}

const siteOf = (fleet: Fleet, cluster: string): string =>
  fleet.clusters.find(({ name }) => name === cluster)?.site ?? OUTSIDE

function sitesOf(fleet: Fleet, links: readonly LinkRow[]): Place[] {
  const sites = new Set(links.flatMap(({ from, to }) => [siteOf(fleet, from), siteOf(fleet, to)]))
  return [...sites].map((site): Place => {
    const clusters = fleet.clusters.filter(each => each.site === site)
    const within = links.filter(
      ({ from, to }) => siteOf(fleet, from) === site && siteOf(fleet, to) === site,
    ).length
    const inside = within === 0 ? '' : `, ${plural(within, 'link')} within`
    return {
      id: site,
      group: site,
      label: `${plural(clusters.length, 'cluster')}${inside}`,
      href: clusters.length === 0 ? null : '/',
      tone: worstTone(clusters.map(({ state }) => toneOf(state))),
      note: clusters
        .filter(({ state }) => state !== 'healthy')
        .map(({ name, state }) => `${name} ${state}`)
        .join(', '),
    }
  })
}

function waysOfSites(fleet: Fleet, links: readonly LinkRow[]): Way[] {
  const between = new Map<string, LinkRow[]>()
  for (const link of links) {
    const key = JSON.stringify([siteOf(fleet, link.from), siteOf(fleet, link.to)])
    between.set(key, [...(between.get(key) ?? []), link])
  }
  return [...between].map(([key, rows]): Way => {
    const [from, to] = JSON.parse(key) as [string, string]
    const tones = rows.map(linkTone)
    const tone = worstTone(tones)
    const bad = tones.filter(each => each === 'warn' || each === 'bad').length
    const note = bad === 0 ? '' : `${count(bad)} not well`
    const label = plural(rows.length, 'link')
    const href = `/links?q=${encodeURIComponent(`${from} ${to}`)}`
    return { id: key, from, to, label, href, tone, note, more: `from ${from} to ${to}` }
  })
}

/* ---- how it is drawn ---- */

/** Shares of the width: a column, and the space between two. */
const COLUMN = 2.6
const GAP = 4
/** A label's part of that space. */
const LABEL = 3.3
const PX_MIN = 39
const PX_MAX = 76

function Drawing({
  layout,
  places,
  ways,
}: {
  readonly layout: MapLayout
  readonly places: readonly Place[]
  readonly ways: readonly Way[]
}) {
  const { columns, height, boxes, lanes } = layout
  const units = COLUMN * columns + GAP * (columns - 1)
  const share = (width: number): string => `${((width / units) * 100).toFixed(3)}%`
  const left = (column: number): number => column * (COLUMN + GAP)
  const placeOf = new Map(places.map(each => [each.id, each]))
  const wayById = new Map(ways.map(each => [each.id, each]))
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable from the keyboard
    <section className="map-frame" aria-label="Map of sites and links" tabIndex={0}>
      <div className="map-ground" style={{ height, minWidth: units * PX_MIN, maxWidth: units * PX_MAX }}>
        <svg
          className="map-lines"
          viewBox={`0 0 ${units} ${height}`}
          preserveAspectRatio="none"
          aria-hidden="true"
        >
          {lanes.map(lane => (
            <path key={lane.id} className={`tone-${wayById.get(lane.id)!.tone}`} d={curve(lane)} />
          ))}
        </svg>
        {boxes.map(({ group, column, y, height: tall, nodes }) => (
          <div
            key={`${column} ${group}`}
            className="map-box"
            style={{ top: y, left: share(left(column)), width: share(COLUMN), height: tall }}
          >
            <p className="map-site" style={{ height: TITLE }}>
              {group}
            </p>
            {nodes.map(id => (
              <MapPlace key={id} place={placeOf.get(id)!} />
            ))}
          </div>
        ))}
        {lanes.map(({ id, after, y, backward }) => (
          <MapWay
            key={id}
            way={wayById.get(id)!}
            backward={backward}
            style={{
              top: y,
              left: share(left(after) + COLUMN + (GAP - LABEL) / 2),
              width: share(LABEL),
            }}
          />
        ))}
      </div>
    </section>
  )
}

function MapPlace({ place }: { readonly place: Place }) {
  const inside = (
    <>
      <Glyph tone={place.tone} />
      <span className="map-name">{place.label}</span>
      <span className="hidden">, {place.note === '' ? 'healthy' : place.note}</span>
    </>
  )
  const style = { height: ROW }
  return place.href === null ? (
    <p className="map-place" style={style} title={place.note}>
      {inside}
    </p>
  ) : (
    <A className="map-place" style={style} href={place.href} title={`${place.label} ${place.note}`}>
      {inside}
    </A>
  )
}

function MapWay({
  way,
  backward,
  style,
}: {
  readonly way: Way
  readonly backward: boolean
  readonly style: { readonly top: number; readonly left: string; readonly width: string }
}) {
  const arrow = (
    <span aria-hidden="true" className="map-arrow">
      {backward ? '←' : '→'}
    </span>
  )
  return (
    <A
      className={`map-way tone-${way.tone}`}
      style={style}
      href={way.href}
      title={`${way.label}: ${way.more}`}
    >
      {backward && arrow}
      <Glyph tone={way.tone} />
      <span className="map-name">{way.label}</span>
      <span className="hidden">, {way.more}, </span>
      <span className="map-note">{way.note}</span>
      {!backward && arrow}
    </A>
  )
}

/** From one box to the label and on to the other, in shares of the width and px of height. */
function curve({ from, to, after, y }: MapLayout['lanes'][number]): string {
  const near = (column: number, after: number): number =>
    column <= after ? column * (COLUMN + GAP) + COLUMN : column * (COLUMN + GAP)
  const middle = after * (COLUMN + GAP) + COLUMN + GAP / 2
  const [x1, x2] = [near(from.column, after), near(to.column, after)]
  const side = (x: number): number => middle + (x < middle ? -LABEL / 2 : LABEL / 2)
  const bow = (x: number): number => (x + side(x)) / 2
  return [
    `M${x1} ${from.y}C${bow(x1)} ${from.y} ${bow(x1)} ${y} ${side(x1)} ${y}`,
    `M${side(x2)} ${y}C${bow(x2)} ${y} ${bow(x2)} ${to.y} ${x2} ${to.y}`,
  ].join('')
}
