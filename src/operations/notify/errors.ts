import { errorKind } from '../../foundation/errors/errors.ts'

export const WEBHOOK_SECRET_BAD = errorKind(
  'WEBHOOK_SECRET_BAD',
  'The file with the secret of a webhook cannot be read, or does not hold one.',
  'Write one: `printf "whsec_%s\\n" "$(head -c 32 /dev/urandom | base64)" > FILE; chmod 600 FILE`, and give it to the receiver. Nothing is sent unsigned.',
)
export const WEBHOOK_UNKNOWN = errorKind(
  'WEBHOOK_UNKNOWN',
  'No such webhook is declared.',
  '`ajna incident webhooks` lists them; they are declared under `notify` in the fleet’s file.',
)
