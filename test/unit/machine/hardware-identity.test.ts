import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hardwareIdentity } from '../../../src/machine/hardware-identity.ts';

const machineId = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));

test('the identity of the hardware is well-formed, and always the same for a machine ID', () => {
  fc.assert(
    fc.property(machineId, (id) => {
      const { uuid, mac } = hardwareIdentity(id);
      assert.match(uuid, /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
      assert.match(mac, /^[\da-f][26ae](?::[\da-f]{2}){5}$/, 'unicast, locally administered');
      assert.deepEqual(hardwareIdentity(id), { uuid, mac });
      assert.ok(!uuid.replaceAll('-', '').includes(id));
    }),
  );
});

test('the identity of an existing machine never changes', () => {
  assert.deepEqual(hardwareIdentity('0123456789abcdef0123456789abcdef'), {
    uuid: 'ad2e1c47-422d-820a-9c8f-bbde25a8b1c6',
    mac: '32:61:03:5c:0d:ce',
  });
});

test('two machines have two identities', () => {
  fc.assert(
    fc.property(machineId, machineId, (one, other) => {
      fc.pre(one !== other);
      const [first, second] = [hardwareIdentity(one), hardwareIdentity(other)];
      assert.notEqual(first.uuid, second.uuid);
      assert.notEqual(first.mac, second.mac);
    }),
  );
});
