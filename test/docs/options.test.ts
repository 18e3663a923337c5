import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { writeOptionsPage } from './options-page.ts';

test('docs/options.md lists the options: npx vitest run --project unit test/docs --update writes it anew', async () => {
  const file = fileURLToPath(new URL('../../docs/options.md', import.meta.url));
  await expect(await writeOptionsPage(file)).toMatchFileSnapshot(file);
});
