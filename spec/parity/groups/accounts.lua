return {
  title = "Login, account",
  {
    "`login_api_key(api_key)`",
    "`client:login_api_key(key)`",
    "spec/account_spec.lua: an account is logged in with a key, and out",
  },
  {
    "an empty key goes to the server, which takes it",
    "`invalid_argument`",
    "spec/account_spec.lua: an account refuses an empty key, and names that aren't there",
    differs = "no turn would work",
  },
  {
    "`login_chatgpt()` → `ChatgptLoginHandle{login_id, auth_url}`",
    "`client:login_chatgpt()`, the same",
    "spec/account_spec.lua: a login by browser has an address, and ends without success when it is given up",
  },
  {
    "`login_chatgpt_device_code()` → `DeviceCodeLoginHandle{login_id, verification_url, user_code}`",
    "`client:login_chatgpt_device_code()`, the same",
    "spec/account_spec.lua: a login by browser is told from others, whatever the order of their ends",
  },
  {
    "`wait()` → `AccountLoginCompletedNotification{login_id, success, error}` of this login",
    "`login:wait()`, the same; several may wait, and again",
    "spec/account_spec.lua: a login by browser is told from others, whatever the order of their ends",
  },
  {
    "a completion that comes early is kept",
    "the same, also before the answer to the request",
    "spec/account_spec.lua: a login by browser may be over before the server has answered",
  },
  {
    "`cancel()` → `CancelLoginAccountStatus`: `canceled` or `notFound`",
    "`login:cancel().status`",
    "spec/account_spec.lua: a login by browser has an address, and ends without success when it is given up",
  },
  {
    "a newer login ends an older one, without success",
    "the same",
    "spec/account_spec.lua: a login by browser is ended by a newer one",
  },
  {
    "`wait()` has no timeout, and waits for ever once the server is gone",
    "`login:wait { timeout = }`; raises `transport_closed`",
    "spec/account_spec.lua: a login by browser raises when it can't be known any more",
    differs = "a wait has to end (W-13, W-14)",
  },
  {
    "`account(refresh_token=False)` → `GetAccountResponse{account, requires_openai_auth}`",
    "`client:account { refresh_token = }`",
    "spec/account_spec.lua: an account is logged in with a key, and out",
  },
  {
    "`logout()`",
    "`client:logout()`",
    "spec/account_spec.lua: an account is logged in with a key, and out",
  },
}
