"""What a user runs beside the server: rspctl, rsp -s, rsp -t, rsp explain, rsp demo."""
