import type { ArchitectureName } from '../base/architecture.ts';
import type { PackagePins } from './package-pins.ts';

/**
 * The packages that Holdfast fetches for itself. A new version needs no change here. Add it with its digests once its content was
 * looked at, and raise the minimum when earlier ones have a known vulnerability.
 */
export const fetchedPackages: Readonly<Record<ArchitectureName, Readonly<Record<string, PackagePins>>>> = {
  'x86-64': {
    'vhost-device-vsock': {
      least: '0.3.0-2',
      versions: {
        '0.3.0-2': {
          archive: 'fd36382419cc174f00d9b1691486b581e13e8c1168dc339b86b2a65180a29ce7',
          programs: {
            'usr/bin/vhost-device-vsock': '4fb6ea5af81beaa5d86eb6f8260e72b924d5fc7074fb97f9d23a44b60d11a40a',
          },
        },
      },
    },
    // for the example image
    'busybox-static': { least: '1:1.35.0-4', versions: {} },
  },
};
