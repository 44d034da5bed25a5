import { openSource } from '../../src/repository/source/open.ts';
import { Workshop } from './repository.ts';

/** Fetches in a separate process, which a test kills: `fetch-process.ts WORKSHOP_DIRECTORY`. */
const shop = Workshop.at(process.argv[2] ?? '');
await shop.fetch(await openSource(shop.repository));
