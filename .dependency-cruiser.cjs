/** Imports flow one way: entry → products → operations → foundation; rooms show one another only contract.ts. */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Type-only cycles within a room are allowed by nobody either: split the type out.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'foundation-knows-nothing-above',
      severity: 'error',
      from: { path: '^src/foundation/' },
      to: { path: '^src/(operations|products|entry)/' },
    },
    {
      name: 'operations-know-no-products',
      severity: 'error',
      from: { path: '^src/operations/' },
      to: { path: '^src/(products|entry)/' },
    },
    {
      name: 'products-know-no-entry',
      severity: 'error',
      from: { path: '^src/products/' },
      to: { path: '^src/entry/' },
    },
    {
      name: 'rooms-meet-at-contracts',
      severity: 'error',
      comment:
        'Another room on the same or a lower floor is known by its contract.ts; foundation by its top-level files.',
      from: { path: '^src/(?:operations|products)/([^/]+)/', pathNot: '\\.(test|it)\\.ts$' },
      to: {
        path: '^src/(operations|products)/',
        pathNot: ['^src/(operations|products)/$1/', '/contract\\.ts$'],
      },
    },
    {
      name: 'foundation-insides-stay-inside',
      severity: 'error',
      from: { path: '^src/(operations|products|entry)/' },
      to: { path: '^src/foundation/[^/]+/[^/]+/' },
    },
    {
      name: 'production-code-imports-no-tests',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.(test|it)\\.ts$' },
      to: { path: '(^test/|\\.(test|it)\\.ts$)' },
    },
    {
      name: 'declared-dependencies-only',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}
