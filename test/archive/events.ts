export interface SeenEvent {
  readonly event: string
  readonly data: unknown
}

/** The server-sent events of an answer, one after another. */
export async function* eventsOf(response: Response): AsyncGenerator<SeenEvent, void, undefined> {
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map(line => line.split(/: (.*)/s) as [string, string]),
      )
      text = text.slice(end + 2)
      const [event, data] = [fields.get('event'), fields.get('data')]
      if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data) }
    }
  }
}
