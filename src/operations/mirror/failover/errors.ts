import { errorKind } from '../../../foundation/errors/errors.ts'

export const FAILOVER_REFUSED = errorKind(
  'FAILOVER_REFUSED',
  'A switch of a link’s sides is refused: something stands in its way.',
  'The reasons are listed, each with what has to be said yes to, if anything helps. `ajna link rehearse` shows the whole.',
  3,
)

export const FAILOVER_STUCK = errorKind(
  'FAILOVER_STUCK',
  'A step of a switch of a link’s sides cannot be completed.',
  'What it waits for is named. The same command goes on where it stands; the opposite one takes back what was done.',
)

export const FAILOVER_CHANGED = errorKind(
  'FAILOVER_CHANGED',
  'Somebody else is switching the same link.',
  'Look at the link (`ajna link rehearse`), then decide again.',
)
