use crate::{
    aws::state::ACCOUNT,
    ids,
    message::{Call, Reply},
    server::World,
    xml::Xml,
};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

pub fn answer(_: &World, _: &Call) -> Reply {
    let result = Xml::new()
        .text("Arn", format!("arn:aws:iam::{ACCOUNT}:user/publish"))
        .text("UserId", "AIDASANDBOX")
        .text("Account", ACCOUNT);
    let metadata = Xml::new().text("RequestId", ids::random());
    let body = Xml::new().child("GetCallerIdentityResult", result).child("ResponseMetadata", metadata);
    Reply::xml(200, body.document("GetCallerIdentityResponse", Some(NAMESPACE)))
}

pub fn invalid_token() -> Reply {
    let error = Xml::new()
        .text("Type", "Sender")
        .text("Code", "InvalidClientTokenId")
        .text("Message", "The security token included in the request is invalid.");
    Reply::xml(
        403,
        Xml::new().child("Error", error).text("RequestId", ids::random()).document("ErrorResponse", Some(NAMESPACE)),
    )
}
