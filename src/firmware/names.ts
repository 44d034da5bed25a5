import { guid } from '../base/guid.ts';

/** Vendor GUIDs of the variables that a machine keeps. */
export const vendors = {
  /** EFI_GLOBAL_VARIABLE (UEFI specification 2.10, section 3.3). */
  global: guid('8be4df61-93ca-11d2-aa0d-00e098032b8c'),
  /** EFI_IMAGE_SECURITY_DATABASE_GUID (section 32.6.1). */
  imageSecurity: guid('d719b2cb-3d3a-4596-a3bc-dad00e67656f'),
  /** gEfiSecureBootEnableDisableGuid (edk2: SecurityPkg). */
  secureBootEnable: guid('f0a30bc7-af08-4556-99c4-001009c93a44'),
  /** gEfiCustomModeEnableGuid (edk2: SecurityPkg). */
  customMode: guid('c076ec0c-7028-4399-a072-71ee5c448b9f'),
  /** gEfiCertDbGuid (edk2: SecurityPkg). */
  certificates: guid('d9bee56e-75dc-49d9-b4d7-b534210f637a'),
  /** gMtcVendorGuid (edk2: MdeModulePkg). */
  monotonicCounter: guid('eb704011-1402-11d3-8e77-00a0c969723b'),
  /** gEdkiiVarErrorFlagGuid (edk2: MdeModulePkg). */
  errorFlag: guid('04b37fe8-f6ae-480b-bdd5-37d98c5e89aa'),
  /** MEMORY_ONLY_RESET_CONTROL_GUID (TCG Platform Reset Attack Mitigation Specification 1.1, section 4). */
  memoryOverwrite: guid('e20939be-32d4-41be-a150-897f85d49829'),
} as const;

/** EFI_VARIABLE_… bits (UEFI specification 2.10, section 8.2.1). */
const nonVolatile = 0x01;
const bootServices = 0x02;
/** Visible to the operating system, which can create only such variables. */
export const runtime = 0x04;
const timeAuthenticated = 0x20;

/** The attributes that the specification defines for the variables that Holdfast sets. */
export const attributes = {
  /** Visible to the firmware only. */
  firmware: nonVolatile | bootServices,
  /** Also visible to the operating system. */
  shared: nonVolatile | bootServices | runtime,
  /** Changed by signed updates only. */
  signed: nonVolatile | bootServices | runtime | timeAuthenticated,
} as const;
