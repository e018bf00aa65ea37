/** A progress bar on a terminal; nothing where nobody watches. */

const cells = 24;
/** ms between two drawings. */
const pace = 100;

export class Bar {
  readonly #on: boolean;
  #shown = 0;

  /** `quiet`: for programs, which read no bars. */
  constructor(quiet: boolean) {
    this.#on = !quiet && process.stderr.isTTY;
  }

  get isOn(): boolean {
    return this.#on;
  }

  /** `total` null: nobody knows how much there is. */
  show(done: number, total: number | null, text: string): void {
    if (!this.#on || Date.now() - this.#shown < pace) return;
    this.#shown = Date.now();
    process.stderr.write(`\r\u001b[K${bar(done, total)}${text}`);
  }

  end(): void {
    if (this.#shown > 0) process.stderr.write('\r\u001b[K');
  }
}

const bar = (done: number, total: number | null): string => {
  if (total === null || total <= 0) return '';
  const share = Math.min(1, done / total);
  const full = Math.round(share * cells);
  return `${'█'.repeat(full)}${'░'.repeat(cells - full)} ${String(Math.floor(share * 100)).padStart(3)} %  `;
};
