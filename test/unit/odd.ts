import { importHalf } from '../support/unit-tests.ts';

await importHalf(1);
