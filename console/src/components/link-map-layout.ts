/** Where clusters and the links between them stand on the map. Pure: heights in px, widths in shares of the whole. */

export interface MapNode {
  readonly id: string
  /** Nodes of one group in one column share a box. */
  readonly group: string
}

export interface MapEdge {
  readonly id: string
  readonly from: string
  readonly to: string
}

export interface MapLayout {
  readonly columns: number
  readonly height: number
  readonly boxes: readonly {
    readonly group: string
    readonly column: number
    readonly y: number
    readonly height: number
    readonly nodes: readonly string[]
  }[]
  /** Each edge has a label of its own between two columns, which no other covers. */
  readonly lanes: readonly {
    readonly id: string
    /** It stands after this column. */
    readonly after: number
    readonly y: number
    /** Against the reading direction. */
    readonly backward: boolean
    readonly from: Point
    readonly to: Point
  }[]
}

interface Point {
  readonly column: number
  readonly y: number
}

export const ROW = 24
export const TITLE = 24
const BOX_FOOT = 4
const BOX_GAP = 12
const LANE = 28

/** Edges lead from left to right, except those that close a circle. */
export function layOut(nodes: readonly MapNode[], given: readonly MapEdge[]): MapLayout {
  const known = new Set(nodes.map(({ id }) => id))
  const edges = given.filter(({ from, to }) => from !== to && known.has(from) && known.has(to))
  const ranks = ranksOf(nodes, edges)
  const columns = nodes.length === 0 ? 0 : Math.max(...ranks.values()) + 1
  const stacks = Array.from({ length: columns }, (_, column) =>
    stackOf(nodes.filter(({ id }) => ranks.get(id) === column)),
  )
  const perGap = Array.from(
    { length: columns },
    (_, after) => edges.filter(edge => gapOf(edge, ranks) === after).length * LANE,
  )
  const height = Math.max(0, ...stacks.map(stack => stack.height), ...perGap)
  const boxes = stacks.flatMap(({ boxes: stacked, height: own }, column) =>
    stacked.map(box => ({ ...box, column, y: box.y + (height - own) / 2 })),
  )
  const places = new Map(
    boxes.flatMap(({ nodes: ids, y, column }) =>
      ids.map((id, i) => [id, { column, y: y + TITLE + i * ROW + ROW / 2 }] as const),
    ),
  )
  const lanes = Array.from({ length: columns }, (_, after) =>
    lanesOf(
      edges.filter(edge => gapOf(edge, ranks) === after),
      after,
      places,
      height,
    ),
  )
  return { columns, height, boxes, lanes: lanes.flat() }
}

function stackOf(nodes: readonly MapNode[]) {
  const groups = new Map<string, string[]>()
  for (const { id, group } of nodes) groups.set(group, [...(groups.get(group) ?? []), id])
  let y = 0
  const boxes = [...groups].map(([group, ids]) => {
    const box = { group, nodes: ids, y, height: TITLE + ids.length * ROW + BOX_FOOT }
    y += box.height + BOX_GAP
    return box
  })
  return { boxes, height: Math.max(0, y - BOX_GAP) }
}

/** Next to where the edge ends if it leads forward, to where it ends again if it leads back. */
function gapOf({ from, to }: MapEdge, ranks: ReadonlyMap<string, number>): number {
  const [a, b] = [ranks.get(from)!, ranks.get(to)!]
  return a < b ? b - 1 : b
}

/** As near to the middle between its ends as the labels above it let it. */
function lanesOf(
  edges: readonly MapEdge[],
  after: number,
  places: ReadonlyMap<string, Point>,
  height: number,
): MapLayout['lanes'][number][] {
  const wanted = edges
    .map(({ id, from, to }) => {
      const [start, end] = [places.get(from)!, places.get(to)!]
      return { id, from: start, to: end, y: (start.y + end.y) / 2 }
    })
    .sort((a, b) => a.y - b.y || (a.id < b.id ? -1 : 1))
  let above = LANE / 2 - LANE
  const down = wanted.map(({ y }) => {
    above = Math.max(y, above + LANE)
    return above
  })
  let below = height + LANE / 2
  const ys = down.toReversed().map(y => {
    below = Math.min(y, below - LANE)
    return below
  })
  return wanted.map((lane, i) => ({
    ...lane,
    after,
    backward: lane.from.column > lane.to.column,
    y: ys[wanted.length - 1 - i]!,
  }))
}

/** The length of the longest way to each node, without the edges that close a circle. */
function ranksOf(nodes: readonly MapNode[], edges: readonly MapEdge[]): Map<string, number> {
  const into = new Map<string, string[]>()
  for (const { from, to } of forward(nodes, edges)) into.set(to, [...(into.get(to) ?? []), from])
  const ranks = new Map<string, number>()
  const rankOf = (id: string): number => {
    const known = ranks.get(id)
    if (known !== undefined) return known
    const rank = Math.max(-1, ...(into.get(id) ?? []).map(rankOf)) + 1
    ranks.set(id, rank)
    return rank
  }
  for (const { id } of nodes) rankOf(id)
  return ranks
}

function forward(nodes: readonly MapNode[], edges: readonly MapEdge[]): MapEdge[] {
  const out = new Map<string, MapEdge[]>()
  for (const edge of edges) out.set(edge.from, [...(out.get(edge.from) ?? []), edge])
  const state = new Map<string, 'open' | 'done'>()
  const kept: MapEdge[] = []
  const visit = (id: string): void => {
    state.set(id, 'open')
    for (const edge of out.get(id) ?? []) {
      if (state.get(edge.to) === 'open') continue
      kept.push(edge)
      if (!state.has(edge.to)) visit(edge.to)
    }
    state.set(id, 'done')
  }
  for (const { id } of nodes) if (!state.has(id)) visit(id)
  return kept
}
