/** What a test and its parties say to each other. */
export type Asked =
  | { readonly do: 'look' }
  /** Keeps a connection to a port, instead of the one before; answers once it is made or refused. */
  | { readonly do: 'connect'; readonly port: number }
  /** Over the connection that is kept. */
  | { readonly do: 'send'; readonly bytes: number }

export interface Said {
  /** Bytes that came in over connections of others. */
  readonly received: number
  /** Bytes that came back over the connection that is kept. */
  readonly echoed: number
  /** What ended that connection. */
  readonly broken: string | null
}
