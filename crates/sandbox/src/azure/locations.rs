use serde_json::{Value, json};

/// Name and display name of some of Azure's regions.
const LOCATIONS: [(&str, &str); 16] = [
    ("australiaeast", "Australia East"),
    ("brazilsouth", "Brazil South"),
    ("canadacentral", "Canada Central"),
    ("centralus", "Central US"),
    ("eastus", "East US"),
    ("eastus2", "East US 2"),
    ("francecentral", "France Central"),
    ("germanywestcentral", "Germany West Central"),
    ("japaneast", "Japan East"),
    ("northeurope", "North Europe"),
    ("southeastasia", "Southeast Asia"),
    ("uksouth", "UK South"),
    ("westeurope", "West Europe"),
    ("westus", "West US"),
    ("westus2", "West US 2"),
    ("westus3", "West US 3"),
];

/// The programmatic name of a region that is given by either name.
pub fn find(name: &str) -> Option<&'static str> {
    let wanted: String = name.chars().filter(|c| *c != ' ').collect::<String>().to_lowercase();
    LOCATIONS.iter().find(|(name, _)| *name == wanted).map(|(name, _)| *name)
}

pub fn display(name: &str) -> &str {
    LOCATIONS.iter().find(|(known, _)| *known == name).map_or(name, |(_, display)| display)
}

pub fn list(subscription: &str) -> Value {
    let location = |(name, display): &(&str, &str)| {
        json!({
            "id": format!("/subscriptions/{subscription}/locations/{name}"),
            "name": name,
            "displayName": display,
            "regionalDisplayName": display,
            "type": "Region",
            "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
        })
    };
    json!({"value": LOCATIONS.iter().map(location).collect::<Vec<_>>()})
}
