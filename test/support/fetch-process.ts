import { openSource } from '../../src/repository/source/open.ts';
import { Workshop } from './repository.ts';

/** Fetches in a process of its own, to be killed: `fetch-process.ts WORKSHOP_FOLDER`. */
const shop = Workshop.at(process.argv[2] ?? '');
await shop.fetch(await openSource(shop.repository));
