/**
 * A script for root in a guest that attacks the machine's own TPM with stock tools, past the kernel's resource manager. It
 * prints the commands that the TPM did not reject. test/host/virtual-tpm-attacks.test.ts has more of them.
 */
export const tpmAttacks = `
export TPM2TOOLS_TCTI=device:/dev/tpmrm0 TSS2_LOG=all+none
cd "$(mktemp -d)"
head -c 32 /dev/zero >policy
while read -r attack; do
  $attack >/dev/null 2>&1 </dev/null && echo "$attack" || true
done <<'ATTACKS'
tpm2_clear -c l
tpm2_clear -c p
tpm2_clearcontrol -C p c
tpm2_changeauth -c l mine
tpm2_changeauth -c o mine
tpm2_changeauth -c e mine
tpm2_changeauth -c p mine
tpm2_setprimarypolicy -C o -L policy -g sha256
tpm2_evictcontrol -C o -c 0x81010002
tpm2_evictcontrol -C p -c 0x81010002
tpm2_evictcontrol -C o -c 0x81000001
tpm2_hierarchycontrol -C e ehEnable clear
tpm2_hierarchycontrol -C p ehEnable clear
tpm2_hierarchycontrol -C p phEnable clear
tpm2_nvdefine 0x1500001 -C o -s 64
tpm2_nvdefine 0x1500001 -C p -s 64 -a ppwrite|ppread|platformcreate
ATTACKS
# ask the firmware to clear it at the next start: TCG PC Client Physical Presence Interface, operation 22
echo 22 >/sys/class/tpm/tpm0/ppi/request || true`;
