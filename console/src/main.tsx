import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { connectLive } from './api/live.ts'
import { retryUnlessTold } from './api/queries.ts'
import { App } from './app.tsx'
import './tokens.css'
import './base.css'
import './console.css'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      retry: retryUnlessTold,
      retryDelay: attempt => 400 * 2 ** attempt,
      staleTime: 1_000,
      refetchOnWindowFocus: true,
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
})

connectLive(queries)
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
)
