/** `npm run build`: the program in dist/, as the image has it. */
import { join } from 'node:path';
import { writeBundle } from './bundle.ts';

await writeBundle(join(import.meta.dirname, '../dist'));
