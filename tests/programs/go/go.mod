module appswitch.example/web

go 1.19
