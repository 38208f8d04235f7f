// The adapter for undici: an interceptor for dispatchers.
import type { Dispatcher } from 'undici'
import type { Client } from './client.cjs'
import { CurrentExchange, LegacyExchange } from './undici-exchange.cjs'

/**
 * An interceptor for undici that sends the client's token and renews it:
 * `new Agent().compose(forcegrant(client)).request({ path, method: 'GET' })`.
 *
 * A request without an `origin` goes to the token's instance; undici 8 may name that of a `Pool` or a `Client` first. The
 * token goes only where `client.isAllowedFor` says. A call that meets an expired session is repeated once with a new token, as
 * `client.fetch` does it. Redirects belong outside: name `interceptors.redirect()` after it, so that each hop is looked
 * at.
 */
export function forcegrant(client: Client): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    // undici 7 passes its own handlers on in their old form too. Taking part in the new form would have it turn every
    // response's headers into objects and back.
    const exchange =
      typeof handler.onHeaders === 'function' && typeof handler.onConnect === 'function'
        ? new LegacyExchange(client.calls, dispatch, options, handler)
        : new CurrentExchange(client.calls, dispatch, options, handler)
    exchange.start()
    return true
  }
}
