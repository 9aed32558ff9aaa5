"""MC dropout: masks, how they are grouped, and which passes a row gets. numpy only."""
