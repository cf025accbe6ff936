import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { layOut, type MapEdge, type MapNode } from '../../console/src/components/link-map-layout.ts'

const node = (id: string, group = id): MapNode => ({ id, group })
const edge = (from: string, to: string): MapEdge => ({ id: `${from}>${to}`, from, to })

const columnsOf = (nodes: readonly MapNode[], edges: readonly MapEdge[]): Record<string, number> =>
  Object.fromEntries(
    layOut(nodes, edges).boxes.flatMap(({ nodes: ids, column }) => ids.map(id => [id, column])),
  )

test('the map reads from left to right as records flow, whatever order the links come in', () => {
  const nodes = ['hub', 'edge', 'archive'].map(each => node(each))
  assert.deepEqual(columnsOf(nodes, [edge('hub', 'archive'), edge('edge', 'hub')]), {
    edge: 0,
    hub: 1,
    archive: 2,
  })
})

test('a way back is drawn between the same two columns, against the reading direction', () => {
  const { lanes, columns } = layOut([node('edge'), node('hub')], [edge('edge', 'hub'), edge('hub', 'edge')])
  assert.equal(columns, 2)
  assert.deepEqual(
    lanes.map(({ id, after, backward }) => [id, after, backward]),
    [
      ['edge>hub', 0, false],
      ['hub>edge', 0, true],
    ],
  )
})

test('clusters of one site that stand in one column share a box', () => {
  const { boxes } = layOut([node('a1', 'a'), node('b1', 'b'), node('a2', 'a')], [])
  assert.deepEqual(
    boxes.map(({ group, nodes }) => [group, nodes]),
    [
      ['a', ['a1', 'a2']],
      ['b', ['b1']],
    ],
  )
})

const graph = fc
  .integer({ min: 1, max: 14 })
  .chain(size =>
    fc.record({
      nodes: fc.constant(Array.from({ length: size }, (_, i) => node(`n${i}`, `g${i % 3}`))),
      pairs: fc.uniqueArray(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), {
        maxLength: 40,
        selector: pair => pair.join(),
      }),
    }),
  )
  .map(({ nodes, pairs }) => ({ nodes, edges: pairs.map(([a, b]) => edge(`n${a}`, `n${b}`)) }))

test('whatever links whatever: every cluster and every link stands once, inside, and none covers another', () => {
  fc.assert(
    fc.property(graph, ({ nodes, edges }) => {
      const { boxes, lanes, height, columns } = layOut(nodes, edges)
      assert.deepEqual(boxes.flatMap(box => box.nodes).sort(), nodes.map(({ id }) => id).sort())
      assert.deepEqual(
        lanes.map(({ id }) => id).sort(),
        edges
          .filter(({ from, to }) => from !== to)
          .map(({ id }) => id)
          .sort(),
      )
      for (const { y, height: tall } of boxes) assert.ok(y >= 0 && y + tall <= height + 0.01)
      for (const { from, to, after } of lanes) {
        assert.notEqual(from.column, to.column)
        assert.ok(after >= 0 && after < columns - 1)
      }
      for (let after = 0; after < columns; after++) {
        const ys = lanes
          .filter(lane => lane.after === after)
          .map(({ y }) => y)
          .sort((a, b) => a - b)
        for (const [i, y] of ys.entries()) {
          assert.ok(y >= 13.9 && y <= height - 13.9, `${y} of ${height}`)
          assert.ok(i === 0 || y - ys[i - 1]! >= 27.9)
        }
      }
    }),
  )
})
