"""`/api/users`: for administrators all users, for everybody their own (`me`), and the options of each."""

import asyncio

import azure.functions as func

from email_functions import representations
from email_functions.door import Call, door
from email_functions.problems import json_response
from email_functions.user_schema import option_changes, user_body, users_query
from email_functions.users_csv import users_of_csv

blueprint = func.Blueprint()


@door(blueprint)
async def list_users(call: Call) -> func.HttpResponse:
    page = await call.core.users.list(users_query(call.req.params))
    return json_response({"items": list(map(representations.user, page.items)), "next": page.next})


@door(blueprint)
async def read_user(call: Call) -> func.HttpResponse:
    known = await call.core.users.read(call.caller, call["id"])
    return json_response(representations.user(known.user))


@door(blueprint)
async def write_user(call: Call) -> func.HttpResponse:
    known, is_new = await call.core.users.put(call.caller, user_body(call["id"], call.req.get_body()))
    return json_response(representations.user(known.user), 201 if is_new else 200)


@door(blueprint)
async def delete_user(call: Call) -> func.HttpResponse:
    await call.core.users.delete(call.caller, call["id"])
    return func.HttpResponse(status_code=204)


@door(blueprint)
async def import_users(call: Call) -> func.HttpResponse:
    rows = await asyncio.to_thread(users_of_csv, call.req.get_body())
    await call.core.users.merge(call.caller, rows)
    return json_response({"imported": len(rows)})


@door(blueprint)
async def read_user_options(call: Call) -> func.HttpResponse:
    known = await call.core.users.read(call.caller, call["id"])
    return json_response(representations.user_options(known.options, call.core.users.choices(known)))


@door(blueprint)
async def change_user_options(call: Call) -> func.HttpResponse:
    changes = option_changes(call.req.get_body())
    known = await call.core.users.change_options(call.caller, call["id"], changes)
    return json_response(representations.user_options(known.options, call.core.users.choices(known)))
