import { failure } from '../base/errors.ts';
import { bounds } from '../channel/bounds.ts';
import type { Guest } from '../channel/guest.ts';
import { type Sha256, sha256 } from '../release/manifest.ts';
import type { Overlay } from '../release/overlay-content.ts';
import { layersDirectory, type RawPath } from './overlay-path.ts';
import { rootScript } from './root-script.ts';

/**
 * A question about an entry of a layer. Asking about all entries would take minutes.
 * - `lower`, `upper`: the SHA-256 of the file in that layer
 * - `opaque`: whether the directory in the upper layer hides the content of a lower one
 */
export interface LayerQuestion {
  readonly about: 'lower' | 'upper' | 'opaque';
  readonly path: RawPath;
}

/** The answers, by path. Entries that no longer exist have none. */
export interface LayerFacts {
  readonly lower: ReadonlyMap<RawPath, Sha256>;
  readonly upper: ReadonlyMap<RawPath, Sha256>;
  readonly opaque: ReadonlySet<RawPath>;
}

export const noFacts: LayerFacts = { lower: new Map(), upper: new Map(), opaque: new Set() };

/** Reads a word and a path, each ended by NUL, and answers with a word and NUL. */
const script = `set -eu
export PATH=/usr/sbin:/usr/bin LC_ALL=C
upper=${layersDirectory}/$1/upper
while IFS= read -r -d '' about && IFS= read -r -d '' path; do
  answer=
  case $about in
  lower) [ ! -f "/$1/$path" ] || answer=$(sha256sum <"/$1/$path") ;;
  upper) [ ! -f "$upper/$path" ] || answer=$(sha256sum <"$upper/$path") ;;
  opaque) if (cd "$upper/$path" && tar --create --format=posix --numeric-owner --no-recursion --xattrs \\
      --xattrs-include=trusted.overlay.opaque . | grep --text --quiet SCHILY.xattr.trusted.overlay.opaque=y)
    then answer=yes; fi ;;
  esac
  printf '%s\\0' "\${answer%% *}"
done`;

/**
 * Answers questions about the layers of an overlay, in one command.
 * @throws HoldfastError `guest.output`, and those of `Guest.run`.
 */
export async function askLayerFacts(
  guest: Guest,
  overlay: Overlay,
  questions: readonly LayerQuestion[],
  signal: AbortSignal,
): Promise<LayerFacts> {
  if (questions.length === 0) return noFacts;
  const input = Buffer.from(questions.map(({ about, path }) => `${about}\0${path}\0`).join(''), 'latin1');
  const command = [...rootScript, 'bash', '--norc', '-c', script, 'facts', overlay];
  const { bytes, time } = bounds.layerFact;
  const { stdout } = await guest.run(command, {
    input,
    timeoutMs: time,
    maximum: questions.length * bytes,
    signal,
  });
  return parseFacts(stdout.toString('latin1'), questions);
}

/** Parses the answers. @throws HoldfastError `guest.output` unless each question has one valid answer. */
export function parseFacts(output: string, questions: readonly LayerQuestion[]): LayerFacts {
  const answers = output.split('\0');
  const facts = {
    lower: new Map<RawPath, Sha256>(),
    upper: new Map<RawPath, Sha256>(),
    opaque: new Set<RawPath>(),
  };
  if (answers.pop() !== '' || answers.length !== questions.length) throw unreadable();
  for (const [index, { about, path }] of questions.entries()) {
    const answer = answers[index];
    if (answer === '') continue;
    if (about === 'opaque') {
      if (answer !== 'yes') throw unreadable();
      facts.opaque.add(path);
    } else {
      const digest = sha256.safeParse(answer);
      if (!digest.success) throw unreadable();
      facts[about].set(path, digest.data);
    }
  }
  return facts;
}

function unreadable() {
  return failure('guest.output', 'cannot read the overlays that the guest reports', {
    why: 'the answers do not match the questions',
  });
}
