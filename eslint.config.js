import tseslint from 'typescript-eslint';

/**
 * Which folders of src/ a folder may import from, besides itself (docs/architecture.md). Imports go one way: a
 * folder that is not named may not be imported.
 */
const layers = {
  model: [],
  gen: [],
  exec: ['model'],
  config: ['model'],
  metrics: ['model'],
  ceph: ['config', 'exec', 'model'],
  mount: ['exec', 'model'],
  grpc: ['gen', 'model'],
  identity: ['grpc', 'gen', 'model'],
  controller: ['grpc', 'gen', 'model'],
  node: ['grpc', 'gen', 'model', 'mount'],
  rbd: ['ceph', 'config', 'exec', 'mount', 'model'],
  cephfs: ['ceph', 'config', 'exec', 'mount', 'model'],
  doctor: ['rbd', 'cephfs', 'ceph', 'config', 'exec', 'mount', 'model'],
};

/** The folder's one privilege or ban that its layer does not say. */
const packages = {
  execa: ['exec'],
  '@grpc/grpc-js': ['grpc'],
  '@grpc/proto-loader': ['grpc'],
  'prom-client': ['metrics'],
};

function restrictedImports(folder, allowed) {
  const others = Object.keys(layers)
    .concat('cli')
    .filter(name => name !== folder && !allowed.includes(name));
  return [
    'error',
    {
      patterns: [
        {
          regex: `^(\\.\\./)+(${others.join('|')})/`,
          message: `src/${folder} may import from ${allowed.join(', ') || 'no other folder'} only`,
        },
      ],
      paths: Object.entries(packages)
        .filter(([, folders]) => !folders.includes(folder))
        .map(([name, folders]) => ({
          name,
          message: `only src/${folders.join(', src/')} may import ${name}`,
        })),
    },
  ];
}

export default tseslint.config(
  { ignores: ['dist', '.cache', 'node_modules', 'src/gen'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: false },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  ...Object.entries(layers).map(([folder, allowed]) => ({
    files: [`src/${folder}/**/*.ts`],
    rules: { 'no-restricted-imports': restrictedImports(folder, allowed) },
  })),
  {
    files: ['src/**/*.ts'],
    ignores: ['src/main.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'only src/main.ts ends the process' },
      ],
    },
  },
  { files: ['dev/**', 'bench/**', 'src/cli/**'], rules: { 'no-console': 'off' } },
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
);
