/** GBK text as bytes: the runtime only decodes it, so the table is turned round. */
const bytes = new Map<string, readonly number[]>();

const fill = (): void => {
  const decoder = new TextDecoder('gbk');
  for (let lead = 0x81; lead < 0xff; lead += 1)
    for (let trail = 0x40; trail < 0xff; trail += 1) {
      const letter = decoder.decode(Uint8Array.of(lead, trail));
      if (letter.length === 1 && letter !== '\ufffd') bytes.set(letter, [lead, trail]);
    }
};

export const gbk = (text: string): Buffer => {
  if (bytes.size === 0) fill();
  return Buffer.from(
    [...text].flatMap((letter) => {
      if (letter.charCodeAt(0) < 0x80) return [letter.charCodeAt(0)];
      const found = bytes.get(letter);
      if (found === undefined) throw new Error(`GBK has no ${letter}`);
      return found;
    }),
  );
};
