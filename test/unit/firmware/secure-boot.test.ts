import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createVariableStore } from '../../../src/firmware/create.ts';
import { parseVariableStore } from '../../../src/firmware/store.ts';
import { certificate } from '../../support/certificate.ts';
import { record, storeFile } from '../../support/variable-store-file.ts';

const keys = { pk: certificate, kek: certificate, db: certificate };

test('a new store has the variables of Secure Boot, and no boot menu', () => {
  const { variables } = parseVariableStore(createVariableStore(storeFile(), keys, ['A']));
  assert.deepEqual(
    variables.map(({ name, vendor, attributes }) => [name, vendor, attributes]),
    [
      ['db', 'd719b2cb-3d3a-4596-a3bc-dad00e67656f', 0x27],
      ['KEK', '8be4df61-93ca-11d2-aa0d-00e098032b8c', 0x27],
      ['PK', '8be4df61-93ca-11d2-aa0d-00e098032b8c', 0x27],
      ['SecureBootEnable', 'f0a30bc7-af08-4556-99c4-001009c93a44', 0x3],
      ['CustomMode', 'c076ec0c-7028-4399-a072-71ee5c448b9f', 0x3],
      ['Boot000A', '8be4df61-93ca-11d2-aa0d-00e098032b8c', 0x7],
      ['BootOrder', '8be4df61-93ca-11d2-aa0d-00e098032b8c', 0x7],
      ['Timeout', '8be4df61-93ca-11d2-aa0d-00e098032b8c', 0x7],
    ],
  );
  const dataOf = (wanted: string) => variables.find(({ name }) => name === wanted)?.data.toString('hex');
  assert.equal(dataOf('SecureBootEnable'), '01');
  assert.equal(dataOf('CustomMode'), '00');
  assert.equal(dataOf('Timeout'), '0000');
});

test('encodes a key as one signature list with one certificate', () => {
  const { variables } = parseVariableStore(createVariableStore(storeFile(), keys, []));
  const list = variables.find(({ name }) => name === 'PK')?.data ?? Buffer.alloc(0);
  assert.equal(list.toString('hex', 0, 16), 'a159c0a5e494a74a87b5ab155c2bf072'); // EFI_CERT_X509_GUID
  assert.equal(list.readUInt32LE(16), list.length);
  assert.equal(list.readUInt32LE(20), 0);
  assert.equal(list.readUInt32LE(24), 16 + certificate.length);
  assert.ok(list.subarray(28 + 16).equals(certificate));
});

test('the same keys give the same store, and variables of the template stay', () => {
  const template = storeFile(record());
  assert.ok(createVariableStore(template, keys, ['A']).equals(createVariableStore(template, keys, ['A'])));
  assert.equal(parseVariableStore(createVariableStore(template, keys, ['A'])).variables[0]?.name, 'One');
});

test('rejects keys that are not X.509 certificates in DER', () => {
  const wrong: readonly Buffer[] = [
    Buffer.alloc(0),
    Buffer.from('certificate'),
    Buffer.from(new X509Certificate(certificate).toString()),
    Buffer.concat([certificate, Buffer.of(0)]),
    certificate.subarray(0, -1),
  ];
  for (const one of wrong) {
    for (const place of ['pk', 'kek', 'db']) {
      assert.throws(() => createVariableStore(storeFile(), { ...keys, [place]: one }, []), {
        code: 'firmware.variables',
      });
    }
  }
});
