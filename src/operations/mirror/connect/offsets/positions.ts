/** Where one partition stands, as it comes from a file or from another replicator. */
export interface Stand {
  /** Name at the source. */
  readonly topic: string
  readonly partition: number
  /** The next source offset to be copied; null: nothing is known. */
  readonly sourceOffset: number | null
}
