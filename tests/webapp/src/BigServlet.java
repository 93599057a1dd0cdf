import jakarta.servlet.http.*;
import java.io.*;

/** /big?kb=N answers N KiB with a Content-Length. */
public class BigServlet extends HttpServlet {
    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException {
        int kb = Texts.number(in.getParameter("kb"), 100);
        String type = in.getParameter("ct");
        out.setContentType(type == null ? "application/octet-stream" : type);
        out.setContentLength(kb * 1024);
        OutputStream body = out.getOutputStream();
        byte[] piece = new byte[1024];
        for (int i = 0; i < kb; i++) {
            Texts.pattern(piece, 1024L * i);
            body.write(piece);
        }
    }
}
