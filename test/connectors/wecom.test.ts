import { describe, expect, it } from 'vitest';
import wecom from '../../connectors/wecom/index.ts';
import sandbox from '../../connectors/wecom/sandbox.ts';
import type { Trouble, Host, Session } from '../../src/connector.ts';
import { responseOf } from './hubspot-world.ts';

const open = (
  key = 'robot',
): { session: Session; state: { messages: readonly { text: string }[] }; clock: { now: number } } => {
  const state = sandbox.initial({ robotKey: 'robot' });
  const clock = { now: 1_000_000 };
  const host: Host = {
    now: () => clock.now,
    random: () => 0.5,
    lookup: (_name, _key, load) => load(),
    log: () => undefined,
    request: async (request) => {
      const url = new URL(request.url);
      const { response } = sandbox.handle(
        {
          method: request.method,
          path: url.pathname + url.search,
          headers: {},
          body: Buffer.from(JSON.stringify(request.body)),
        },
        state,
        clock.now,
        () => 0.5,
      );
      const answer = responseOf(response.status, {}, response.body);
      const trouble = session.trouble?.(answer, request);
      if (trouble !== undefined) throw trouble;
      return answer;
    },
  };
  const session: Session = wecom.open({ robotKey: key }, host);
  return { session, state, clock };
};

describe('wecom', () => {
  it('says a message', async () => {
    const { session, state } = open();
    await session.notify?.send('**对账差异** 3 笔');
    expect(state.messages.map((one) => one.text)).toEqual(['**对账差异** 3 笔']);
  });

  it('is asked to wait over 20 a minute, inside HTTP 200', async () => {
    const { session, state, clock } = open();
    for (let n = 0; n < 20; n += 1) await session.notify?.send(`m${n}`);
    await expect(session.notify?.send('one more')).rejects.toMatchObject({
      kind: 'busy',
      detail: { retryAfter: 65_000, code: '45009' },
    });
    expect(state.messages).toHaveLength(20);
    clock.now += 60_001;
    await session.notify?.send('later');
    expect(state.messages).toHaveLength(21);
  });

  it('tells a wrong key and a message that is too long apart, and never shows the key', async () => {
    const wrong = await open('very-secret-key')
      .session.notify?.send('x')
      .catch((error: Trouble) => error);
    expect(wrong).toMatchObject({ kind: 'forbidden', detail: { code: '93000' } });
    expect(JSON.stringify(wrong) + String(wrong)).not.toContain('very-secret-key');
    await expect(open().session.notify?.send('长'.repeat(2000))).rejects.toMatchObject({
      kind: 'refused',
      detail: { code: '45002' },
    });
  });

  it('does not send anything to check itself', async () => {
    const { session, state } = open();
    expect(await session.check()).toContain('not tried');
    expect(state.messages).toHaveLength(0);
  });
});
