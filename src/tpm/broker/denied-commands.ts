/**
 * All other commands of the specification (TCG TPM 2.0 Library Part 2, section 6.5.2): the reason why they are denied, then
 * code and name. Commands that are listed nowhere, such as those of vendors, are denied too.
 */
const denied: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  "writes to the host's NV memory": {
    287: 'NV_UndefineSpaceSpecial',
    290: 'NV_UndefineSpace',
    298: 'NV_DefineSpace',
    306: 'NV_GlobalWriteLock',
    308: 'NV_Increment',
    309: 'NV_SetBits',
    310: 'NV_Extend',
    311: 'NV_Write',
    312: 'NV_WriteLock',
    315: 'NV_ChangeAuth',
    335: 'NV_ReadLock',
    413: 'NV_DefineSpace2',
    288: 'EvictControl',
  },
  "changes hierarchies, which are the host's": {
    289: 'HierarchyControl',
    292: 'ChangeEPS',
    293: 'ChangePPS',
    294: 'Clear',
    295: 'ClearControl',
    297: 'HierarchyChangeAuth',
    302: 'SetPrimaryPolicy',
  },
  'changes the protection against guessing': {
    313: 'DictionaryAttackLockReset',
    314: 'DictionaryAttackParameters',
  },
  "changes the host's measurements": {
    299: 'PCR_Allocate',
    300: 'PCR_SetAuthPolicy',
    316: 'PCR_Event',
    317: 'PCR_Reset',
    386: 'PCR_Extend',
    387: 'PCR_SetAuthValue',
    389: 'EventSequenceComplete',
  },
  'the guest could impersonate the host: attests what the TPM has recorded of the host': {
    344: 'Quote',
    307: 'GetCommandAuditDigest',
    332: 'GetTime',
    333: 'GetSessionAuditDigest',
    328: 'Certify',
    330: 'CertifyCreation',
    388: 'NV_Certify',
    407: 'CertifyX509',
  },
  'changes or stops the TPM for all users': {
    296: 'ClockSet',
    301: 'PP_Commands',
    303: 'FieldUpgradeStart',
    304: 'ClockRateAdjust',
    319: 'SetAlgorithmSet',
    320: 'SetCommandCodeAuditStatus',
    321: 'FieldUpgradeData',
    322: 'IncrementalSelfTest',
    323: 'SelfTest',
    324: 'Startup',
    325: 'Shutdown',
    326: 'StirRandom',
    377: 'FirmwareRead',
    405: 'AC_Send',
    408: 'ACT_SetTimeout',
    415: 'SetCapability',
    416: 'ReadOnlyControl',
    536870912: 'Vendor_TCG_Test',
  },
  'not needed for device provisioning: keys that decrypt, unseal, or leave the TPM': {
    331: 'Duplicate',
    336: 'ObjectChangeAuth',
    338: 'Rewrap',
    340: 'ECDH_ZGen',
    345: 'RSA_Decrypt',
    350: 'Unseal',
    355: 'ECDH_KeyGen',
    356: 'EncryptDecrypt',
    372: 'RSA_Encrypt',
    395: 'Commit',
    397: 'ZGen_2Phase',
    398: 'EC_Ephemeral',
    403: 'EncryptDecrypt2',
    409: 'ECC_Encrypt',
    410: 'ECC_Decrypt',
  },
  'not needed for device provisioning: possible without a TPM': {
    359: 'LoadExternal',
    360: 'MakeCredential',
    404: 'AC_GetCapability',
    414: 'NV_ReadPublic2',
  },
  'not needed for device provisioning: policies': {
    329: 'PolicyNV',
    352: 'PolicySigned',
    362: 'PolicyAuthorize',
    365: 'PolicyCounterTimer',
    366: 'PolicyCpHash',
    367: 'PolicyLocality',
    368: 'PolicyNameHash',
    370: 'PolicyTicket',
    391: 'PolicyPhysicalPresence',
    392: 'PolicyDuplicationSelect',
    399: 'PolicyNvWritten',
    400: 'PolicyTemplate',
    402: 'PolicyAuthorizeNV',
    406: 'Policy_AC_SendSelect',
    411: 'PolicyCapability',
    412: 'PolicyParameters',
    417: 'PolicyTransportSPDM',
  },
};

export interface DeniedCommand {
  readonly code: number;
  readonly name: string;
  /** Why it is denied. */
  readonly reason: string;
}

export const deniedCommands: readonly DeniedCommand[] = Object.entries(denied).flatMap(([reason, names]) =>
  Object.entries(names).map(([code, name]) => ({ code: Number(code), name, reason })),
);
