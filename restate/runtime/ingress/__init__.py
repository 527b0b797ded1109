"""Port 8080: calls from outside, of both generations, on HTTP/1.1 and h2c."""
